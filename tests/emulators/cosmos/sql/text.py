"""A query's text, cut into words.

Literals are taken out of the text and given by name, like parameters: texts that differ in their literals
alone are one query, which is parsed once. That matters for the conditions of patches, which know no
parameters.
"""

import json
import re
from typing import NamedTuple

from tests.emulators.cosmos.refusals import bad

_WORD = re.compile(
    r"""\s+
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<given>@[A-Za-z_]\w*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>!=|<>|<=|>=|\|\||\?\?|[-=<>(),.\[\]{}*+/%:?!|&^~;])
    | (?P<wrong>.)""",
    re.VERBOSE | re.DOTALL,
)

Word = tuple[str, str]
"""Of which kind (`name`, `sign`, `given`, `step` or `end`), and how it reads."""

END: Word = ("end", "")
_SERIAL = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Cut(NamedTuple):
    """A text in words, and the literals that stood in it under the names that stand in their places."""

    words: tuple[Word, ...]
    literals: dict[str, object]


def cut(text: str) -> Cut:
    """Cut a text into words.

    Raises:
        Refused: A character belongs to no word.
    """
    words: list[Word] = []
    literals: dict[str, object] = {}
    for found in _WORD.finditer(text):
        kind = found.lastgroup
        if kind is None:
            continue
        word = found.group()
        if kind == "wrong":
            raise bad(f"Syntax error, incorrect syntax near {word!r} in: {text}")
        if kind == "text" and _is_step(words):
            words.append(("step", _unquoted(word)))
        elif kind in {"text", "number"}:
            name = f"#{len(literals)}"
            literals[name] = _unquoted(word) if kind == "text" else json.loads(word)
            words.append(("given", name))
        else:
            words.append((kind, word))
    words.append(END)
    return Cut(tuple(words), literals)


def _is_step(words: list[Word]) -> bool:
    """Whether a text would stand in brackets behind a property, as in `c["name"]`."""
    return (
        len(words) > 1
        and words[-1] == ("sign", "[")
        and (words[-2][0] == "name" or words[-2] == ("sign", "]"))
    )


def _unquoted(word: str) -> str:
    return _SERIAL.sub(_unescaped, word[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    escape = found.group(1)
    return chr(int(escape[1:], 16)) if len(escape) > 1 else _ESCAPES.get(escape, escape)
