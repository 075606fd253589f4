"""Reading YAML that a caller sent: what JSON could say as well, and nothing else of it."""

import re

import msgspec
import yaml

YAML_MAX_BYTES = 256 * 1024
"""Of a text in YAML: reading it keeps other requests waiting. As JSON it may be as long as a body may be."""

DEPTH_MAX = 100
"""How deep lists and objects may lie in one another; the parser itself knows no limit, and dies of many."""

_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.CSafeLoader):
    """Takes for null, a truth or a number what JSON does; `no`, `on` and dates are texts."""


_Loader.yaml_implicit_resolvers = {}
for _kind, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_form})$"), _first)


def read_yaml(text: str) -> object:
    """Read one document; keys that are no texts are made texts, as in `200:`.

    Raises:
        ValueError: It is not YAML, or has more in it than we read; it says what to write.
    """
    if len(text.encode()) > YAML_MAX_BYTES:
        raise ValueError(f"in YAML it may have {YAML_MAX_BYTES} bytes; send it as JSON")
    try:
        _check(text)
        return _plain(yaml.load(text, _Loader))  # noqa: S506 - a safe loader, with fewer kinds of values
    except yaml.YAMLError as wrong:
        raise ValueError(f"this is neither JSON nor YAML: {' '.join(str(wrong).split())}") from wrong


def _check(text: str) -> None:
    """Look for what must not be loaded.

    Raises:
        ValueError: There is some.
        YAMLError: It is not YAML.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        match event:
            case yaml.AliasEvent():
                # A few of them in one another stand for more than any machine can hold.
                raise ValueError(f"write `$ref`, or what `*{event.anchor}` stands for: aliases are not read")
            case yaml.ScalarEvent(tag=str(tag)) | yaml.CollectionStartEvent(tag=str(tag)):
                raise ValueError(f"leave out {tag!r}: tags are not read")
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
        if depth > DEPTH_MAX:
            raise ValueError(f"it is nested too deeply: write at most {DEPTH_MAX} levels")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {_key(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) else msgspec.json.encode(key).decode()
