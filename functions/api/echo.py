"""Showing what a caller wrote: JSON compact, keys sorted, every number exactly as it was written."""

import json
import re

import msgspec

_encode = msgspec.json.Encoder(order="sorted").encode
_check = msgspec.json.Decoder(msgspec.Raw).decode
_MINUS_ZERO = re.compile(r"[\[:,\s]-0[\],}\s]")


def _as_written(number: str) -> msgspec.Raw:
    return msgspec.Raw(number)


_decode = msgspec.json.Decoder(float_hook=_as_written).decode


def compact(text: str) -> bytes:
    """Write a JSON object or array without spaces, and with the keys of every object in order.

    Text that is nested too deeply to be sorted is shown as it was written.

    Args:
        text: JSON that has been checked.
    """
    try:
        return _encode(_parsed(text))
    except RecursionError:
        return text.encode()


def as_object(text: str) -> bytes:
    """Write any text as a JSON object: as the one that it is, else as `{"rawPayload":"…"}`."""
    return compact(text) if is_object(text) else _encode({"rawPayload": text})


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    if not text.lstrip(" \t\r\n").startswith("{"):
        return False
    try:
        _check(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _parsed(text: str) -> object:
    # msgspec keeps fractions and integers of up to some 300 digits; it would make -0 a 0.
    if "-0" in text and _MINUS_ZERO.search(text):
        return _slowly_parsed(text)
    try:
        return _decode(text)
    except msgspec.ValidationError:
        return _slowly_parsed(text)


def _slowly_parsed(text: str) -> object:
    return json.loads(text, parse_int=_as_written, parse_float=_as_written)
