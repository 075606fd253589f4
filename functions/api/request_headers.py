"""The rules for the extra request headers that an endpoint asks for."""

import re
from collections.abc import Mapping
from typing import TypeVar

from shared.domain.errors import Invalid

VALUE_MAX_BYTES = 4096

FORBIDDEN = frozenset(
    {
        "age",
        "cache-control",
        "clear-site-data",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-type",
        "expires",
        "host",
        "keep-alive",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "warning",
    }
)
"""Ours to set, or meant for machines in between: with `host` a caller could steer a shared connection."""

FORBIDDEN_PREFIXES = (
    "x-amz-",
    "x-amzn-",
    "x-google",
    "x-goog-",
    "x-gfe",
    "x-azure-",
    "x-fd-",
    "x-svix-",
    "svix-",
    "webhook-",
)
"""Clouds believe some of these; the last two carry our signature."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch


SENSITIVE = frozenset(
    {
        "authorization",
        "proxy-authenticate",
        "proxy-authorization",
        "www-authenticate",
        "x-api-key",
        "x-auth-token",
    }
)
"""Their values are credentials, which are not shown again."""

Value = TypeVar("Value", bound=str | None)


def request_headers(headers: Mapping[str, Value] | None) -> dict[str, Value]:
    """Check the headers that are to go along with every delivery; None as a value takes one away.

    Raises:
        Invalid: A name or value breaks a rule.
    """
    if not headers:
        return {}
    for name, value in headers.items():
        why = _wrong_name(name) or (None if value is None else _wrong_value(value))
        if why is not None:
            raise Invalid(("body", "headers", name), why)
    return dict(headers)


def is_sensitive(name: str) -> bool:
    """Is the value of this header a credential?"""
    return name.lower() in SENSITIVE


def _wrong_name(name: str) -> str | None:
    lower = name.lower()
    if not _NAME(name):
        return "Invalid Header Name."
    if lower in FORBIDDEN:
        return "Header uses a forbidden key."
    if lower.startswith(FORBIDDEN_PREFIXES):
        return "Header starts with a forbidden prefix."
    return None


def _wrong_value(value: str) -> str | None:
    octets = value.encode()
    if len(octets) > VALUE_MAX_BYTES:
        return f"Maximum header length is {VALUE_MAX_BYTES} bytes"
    if not _VALUE(octets):
        return "Invalid Header Value."
    return None
