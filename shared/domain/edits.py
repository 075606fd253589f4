"""Edits: what a caller says of a thing to be changed. A part that is UNSET stays as it is; None clears it."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def said_in(edit: "DataclassInstance") -> dict[str, Any]:
    """The parts of an edit that are to be changed, by name."""
    parts = ((part.name, getattr(edit, part.name)) for part in fields(edit))
    return {name: value for name, value in parts if value is not UNSET}
