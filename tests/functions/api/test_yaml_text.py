"""YAML that somebody sent: what JSON could say as well, and nothing that harms."""

from typing import Any

import pytest

from functions.api.yaml_text import DEPTH_MAX, YAML_MAX_BYTES, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [1, -2, 0.5, 1e3]", {"a": [1, -2, 0.5, 1000.0]}),
        ("a: {b: null, c: ~, d: }", {"a": {"b": None, "c": None, "d": None}}),
        ("a: true\nb: False", {"a": True, "b": False}),
        ("- a\n- |\n  two\n  lines\n", ["a", "two\nlines\n"]),
        ("200: ok", {"200": "ok"}),
        ("true: x\n~: y\n1.5: z", {"true": "x", "null": "y", "1.5": "z"}),
        ("", None),
        ("\N{SNOWMAN}: é", {"\N{SNOWMAN}": "é"}),
    ],
)
def test_yaml_says_what_json_could_say(text: str, value: Any) -> None:  # noqa: ANN401 - JSON
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    "text", ["no", "on", "y", "2026-11-24", "010", "0x1f", "1_000", ".5", ".inf", "<<", "="]
)
def test_what_is_no_json_is_a_text(text: str) -> None:
    """In older YAML `no` is false and a property of that name would be lost."""
    assert read_yaml(f"{text}: {text}") == {text: text}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x", "aliases are not read"),
        ("a: &x [*x]", "aliases are not read"),
        ("a: !!python/object/apply:os.system [x]", "tags are not read"),
        ("a: !!merge x", "tags are not read"),
        ("!!set {a, b}", "tags are not read"),
        ("{", "neither JSON nor YAML"),
        ("a: b: c", "neither JSON nor YAML"),
        ("a\n---\nb", "neither JSON nor YAML"),
        ("? [a]\n: b", "neither JSON nor YAML"),
        ("\x00", "neither JSON nor YAML"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        ("{a: " * 50_000 + "}" * 50_000, "nested too deeply"),
        ("a" * (YAML_MAX_BYTES + 1), "send it as JSON"),
    ],
)
def test_what_is_not_read_is_refused_in_good_order(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_yaml(text)


def test_a_depth_and_a_length_are_read_up_to_their_limits() -> None:
    assert read_yaml("[" * DEPTH_MAX + "]" * DEPTH_MAX)
    assert read_yaml("a" * YAML_MAX_BYTES) == "a" * YAML_MAX_BYTES
