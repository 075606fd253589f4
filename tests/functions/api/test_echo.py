"""What a payload looks like when it is shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.echo import as_object, compact


class Verbatim(str):
    """A number as it was written."""

    __slots__ = ()


def _digits(least: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=400)


numbers = st.builds(
    lambda sign, whole, fraction, exponent: f"{sign}{whole}{fraction}{exponent}",
    st.sampled_from(["", "-"]),
    st.one_of(st.just("0"), st.builds("{}{}".format, st.sampled_from("123456789"), _digits(0))),
    st.one_of(st.just(""), st.builds(".{}".format, _digits(1))),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "E-"]), _digits(1))),
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.one_of(numbers, texts.map(json.dumps), st.sampled_from(["true", "false", "null"]))
spaces = st.sampled_from(["", " ", "\n\t"])


def _array(items: list[str], space: str) -> str:
    return f"[{space}{f'{space},'.join(items)}{space}]"


def _object(pairs: dict[str, str], space: str) -> str:
    inside = f",{space}".join(f"{json.dumps(key)}{space}:{space}{value}" for key, value in pairs.items())
    return f"{{{space}{inside}{space}}}"


values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(_array, st.lists(inner, max_size=4), spaces),
        st.builds(_object, st.dictionaries(texts, inner, max_size=4), spaces),
    ),
    max_leaves=12,
)
objects = st.builds(_object, st.dictionaries(texts, values, max_size=4), spaces)


@given(objects)
def test_every_number_stays_as_written_and_every_key_finds_its_place(text: str) -> None:
    """A price of 1.10 shown as 1.1, or an id of 20 digits rounded, would make people distrust the rest."""
    shown = compact(text).decode()

    assert _read(shown) == _read(text)
    assert shown == _written(_read(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"b": 1.10, "a": 1e400}', '{"a":1e400,"b":1.10}'),
        ('{"a": 123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
        ('{"a":-0}', '{"a":-0}'),
        ('{"a":[-0]}', '{"a":[-0]}'),
        ('{"a":"2026-01-02"}', '{"a":"2026-01-02"}'),
        (f'{{"a":{"9" * 5000}}}', f'{{"a":{"9" * 5000}}}'),
        ('{"é":"\\u00e9", "z":"\\u2028"}', '{"z":"\u2028","é":"é"}'),
        ('{"a":1, "a":2}', '{"a":2}'),
    ],
)
def test_payloads_are_shown_compact_with_sorted_keys(text: str, shown: str) -> None:
    assert compact(text).decode() == shown


def test_what_is_nested_too_deeply_to_be_sorted_is_shown_as_written() -> None:
    text = '{"a": ' * 100_000 + "1" + "}" * 100_000  # deeper than any Python goes
    is_as_written = compact(text).decode() == text
    assert is_as_written  # without printing it


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (' \r\n\t{"b": 1.10, "a": 1}\n', '{"a":1,"b":1.10}'),
        ("{}", "{}"),
        ("", '{"rawPayload":""}'),
        ("a;b\r\n", '{"rawPayload":"a;b\\r\\n"}'),
        ("[1]", '{"rawPayload":"[1]"}'),
        ('"{}"', '{"rawPayload":"\\"{}\\""}'),
        ("{", '{"rawPayload":"{"}'),
        ("{} {}", '{"rawPayload":"{} {}"}'),
        ('{"a":NaN}', '{"rawPayload":"{\\"a\\":NaN}"}'),
        ('{"a":-0,"b":NaN}', '{"rawPayload":"{\\"a\\":-0,\\"b\\":NaN}"}'),
        ('{"a":"\\ud800"}', '{"rawPayload":"{\\"a\\":\\"\\\\ud800\\"}"}'),
        ("\xa0{}", '{"rawPayload":"\xa0{}"}'),
    ],
)
def test_any_text_is_shown_as_an_object(text: str, shown: str) -> None:
    """SDKs read a payload as an object and nothing else."""
    assert as_object(text).decode() == shown


def test_what_is_nested_too_deeply_to_be_read_is_shown_as_text() -> None:
    text = "{" + '"a":{' * 100_000
    is_text = json.loads(as_object(text)) == {"rawPayload": text}
    assert is_text  # without printing it


@given(texts)
def test_no_text_is_lost(text: str) -> None:
    """Whatever is no object is shown as it is."""
    assert json.loads(as_object(f"[{text}")) == {"rawPayload": f"[{text}"}


def _read(text: str) -> object:
    return json.loads(text, parse_int=Verbatim, parse_float=Verbatim)


def _written(value: object) -> str:
    """Compact JSON, keys sorted, by the plainest possible means."""
    match value:
        case Verbatim():
            return str(value)
        case dict():
            return "{" + ",".join(f"{_text(key)}:{_written(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(_written, value)) + "]"
        case str():
            return _text(value)
        case _:
            return json.dumps(value)


def _text(value: str) -> str:
    """As JSON, with nothing escaped that need not be."""
    named = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return (
        '"' + "".join(named.get(one) or (f"\\u{ord(one):04x}" if one < " " else one) for one in value) + '"'
    )
