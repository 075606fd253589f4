"""The rules for single values, each with the text that the contract gives its refusal.

The `where` of a refusal uses the contract's own words, which are not always the field's name.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, TypeVar

import ada_url
import msgspec

from functions.api.errors import JSON_DECODE
from shared.domain.endpoint import URL_SCHEMES
from shared.domain.errors import Invalid
from shared.domain.signature import parse_secret
from shared.domain.timestamps import from_wire

LIMITED_MAX_BYTES = 256
METADATA_MAX_BYTES = 4096
ENDPOINT_CHANNELS_MAX = 10
MESSAGE_CHANNELS_MAX = 5
TAG_MAX_BYTES = 128
TAGS_MAX = 5
"""Of a message. Its places in the index are the product: (channels + 1) x (tags + 1), at most 35."""
OUT_OF_RANGE = "Validation error"

_LIMITED = re.compile(rf"[a-zA-Z0-9\-_.]{{1,{LIMITED_MAX_BYTES}}}").fullmatch
_TAG = re.compile(rf"[a-zA-Z0-9\-_./\\#]{{1,{TAG_MAX_BYTES}}}").fullmatch
_CONTROL = re.compile(r"[\x00-\x08]").search

OLD_NAME = "x-old-name"
"""Marks a field that is left out of the OpenAPI document, since it must not be given beside its new name."""
REQUIRED = "x-required"
"""Marks a field that must be given unless its old name is."""

# 0 can be read and is refused after that, together with what else breaks a rule.
Rate = Annotated[int, msgspec.Meta(ge=0, le=65_535, extra_json_schema={"exclusiveMinimum": True})]
Index = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Metadata = dict[str, str]
Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Limited = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "minLength": 1,
            "maxLength": LIMITED_MAX_BYTES,
            "pattern": r"^[a-zA-Z0-9\-_.]+$",
            # Without one, the page at /docs makes up a name of up to 256 characters.
            "example": "acme-42",
        }
    ),
]
TagName = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "minLength": 1,
            "maxLength": TAG_MAX_BYTES,
            "pattern": r"^[a-zA-Z0-9\-_./\\#]+$",
            "example": "user/42",
        }
    ),
]
TagNames = Annotated[
    list[TagName], msgspec.Meta(extra_json_schema={"maxItems": TAGS_MAX, "uniqueItems": True})
]
Names = Annotated[list[Limited], msgspec.Meta(extra_json_schema={"minItems": 1, "uniqueItems": True})]
EndpointChannels = Annotated[Names, msgspec.Meta(extra_json_schema={"maxItems": ENDPOINT_CHANNELS_MAX})]
MessageChannels = Annotated[Names, msgspec.Meta(extra_json_schema={"maxItems": MESSAGE_CHANNELS_MAX})]
EventTypeName = Annotated[Limited, msgspec.Meta(extra_json_schema={"example": "invoice.paid"})]
Url = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={"format": "uri", "minLength": 1, "example": "https://receiver.example/webhooks"}
    ),
]


Value = TypeVar("Value")
Checked = TypeVar("Checked")
Number = TypeVar("Number", bound=int | None)


def given(value: Value | msgspec.UnsetType, check: Callable[[Value], Checked]) -> Checked | msgspec.UnsetType:
    """Check a part of a PATCH if it is given."""
    return msgspec.UNSET if value is msgspec.UNSET else check(value)


def broken_limit(text: str) -> str | None:
    """Say what is wrong with a text that is to have 1 to 256 of the characters `a-z A-Z 0-9 - _ .`."""
    if _LIMITED(text):
        return None
    return _broken(text, LIMITED_MAX_BYTES, r"[a-zA-Z0-9\-_.]")


def broken_tag(text: str) -> str | None:
    r"""Say what is wrong with a text that is to have 1 to 128 of the characters `a-z A-Z 0-9 - _ . / \ #`."""
    if _TAG(text):
        return None
    return _broken(text, TAG_MAX_BYTES, r"[a-zA-Z0-9\-_./\\#]")


def _broken(text: str, most_bytes: int, pattern: str) -> str:
    if not text:
        return "String must be at least one character"
    if len(text.encode("utf-8", "surrogatepass")) > most_bytes:
        return "String too long"
    return f"String must match the following pattern: {pattern}."


def limited(text: str, *where: str) -> str:
    """Check a name: 1 to 256 of the characters `a-z A-Z 0-9 - _ .`.

    Raises:
        Invalid: It is not one.
    """
    if not _LIMITED(text):
        raise Invalid((*where, "__all__"), broken_limit(text) or OUT_OF_RANGE)
    return text


def uid(text: str | None, own_prefix: str, *where: str) -> str | None:
    """Check a caller's own id, which must not look like one of ours.

    Raises:
        Invalid: It is no name, or begins as our ids do.
    """
    if text is None:
        return None
    if text.startswith(own_prefix):
        raise Invalid((*where, "__all__"), f"A uid must not start with {own_prefix}, as ids do.")
    return limited(text, *where)


def printable(text: str, *where: str) -> str:
    """Check a text for people.

    Raises:
        Invalid: It has control characters that no text for people has.
    """
    if _CONTROL(text):
        raise Invalid(where, "Control characters 0x00-0x08 not allowed.")
    return text


def printable_name(text: str, *where: str) -> str:
    """Check a name for people.

    Raises:
        Invalid: It is empty, or has control characters.
    """
    if not text:
        raise Invalid(where, "`name` must be at least one character")
    return printable(text, *where)


def at_least_one(number: Number, *where: str) -> Number:
    """Check a rate or version.

    Raises:
        Invalid: It is 0.
    """
    if number == 0:
        raise Invalid(where, OUT_OF_RANGE)
    return number


def throttle_rate(rate: int | None, old_name: int | None, *where: str) -> int | None:
    """The deliveries per second that `throttleRate` and its old name `rateLimit` ask for.

    Raises:
        Invalid: One of them is 0.
    """
    at_least_one(rate, *where, "throttle_rate")
    at_least_one(old_name, *where, "rate_limit")
    return old_name if rate is None else rate


def patched_rate(
    rate: int | msgspec.UnsetType | None, old_name: int | msgspec.UnsetType | None
) -> int | msgspec.UnsetType | None:
    """The same when nothing may be asked for, which is something else than asking for no limit.

    Raises:
        Invalid: One of them is 0.
    """
    rate = given(rate, lambda number: at_least_one(number, "body", "throttle_rate"))
    old_name = given(old_name, lambda number: at_least_one(number, "body", "rate_limit"))
    return old_name if rate is msgspec.UNSET else rate


def metadata(pairs: Metadata | None, *where: str) -> Metadata:
    """Check the caller's own notes.

    Raises:
        Invalid: As compact JSON they take more than 4096 bytes.
    """
    if not pairs:
        return {}
    if len(msgspec.json.encode(pairs)) > METADATA_MAX_BYTES:
        raise Invalid(where, f"metadata takes at most {METADATA_MAX_BYTES} bytes as JSON", JSON_DECODE)
    return pairs


def instant(text: str, *where: str) -> datetime:
    """Check an instant: RFC 3339, and the forms near it that `shared.domain.timestamps` reads.

    Raises:
        Invalid: It is not one.
    """
    try:
        return from_wire(text)
    except ValueError as wrong:
        raise Invalid(where, str(wrong), JSON_DECODE) from wrong


def channels(names: Iterable[str] | None, most: int) -> frozenset[str] | None:
    """Check a set of channels.

    Raises:
        Invalid: It is empty, too large, or one of them is no name.
    """
    if names is None:
        return None
    found = frozenset(names)
    if not 1 <= len(found) <= most:
        raise Invalid(("body", "channels"), f"Channels must have 1 to {most} items.")
    for name in found:
        limited(name, "body", "channels")
    return found


def tag(name: str, *where: str) -> str:
    """Check a tag.

    Raises:
        Invalid: It is not one.
    """
    why = broken_tag(name)
    if why is not None:
        raise Invalid((*where, "__all__"), why)
    return name


def tags(names: Iterable[str] | None) -> frozenset[str] | None:
    """Check a set of tags; an empty one is none.

    Raises:
        Invalid: It is too large, or one of them is no tag.
    """
    if not names:
        return None
    found = frozenset(names)
    if len(found) > TAGS_MAX:
        raise Invalid(("body", "tags"), f"A message has at most {TAGS_MAX} tags.")
    for name in found:
        tag(name, "body", "tags")
    return found


def event_types(names: Iterable[str] | None) -> frozenset[str] | None:
    """Check the event types that an endpoint wants.

    Raises:
        Invalid: There are none, or one of them is no name.
    """
    if names is None:
        return None
    found = frozenset(names)
    if not found:
        raise Invalid(("body", "event_types"), "eventTypes can't be empty, it must have at least one item.")
    for name in found:
        limited(name, "body", "event_types")
    return found


def url(text: str, *, https_only: bool) -> str:
    """Check a URL and bring it into the form of the WHATWG standard.

    Raises:
        Invalid: It is no URL, or its scheme is not allowed.
    """
    try:
        href = ada_url.URL(text).href
    except ValueError as wrong:
        raise Invalid(("body", "url"), "this is not an absolute URL", JSON_DECODE) from wrong
    scheme = href.partition(":")[0]
    if https_only and scheme != "https":
        raise Invalid(("body", "url"), "Endpoint URL schemes must be https")
    if scheme not in URL_SCHEMES:
        raise Invalid(("body", "url"), "Endpoint URL schemes must be http or https")
    return href


def secret(text: str | None, *where: str) -> str | None:
    """Check a signing secret.

    Raises:
        Invalid: It is not one that we can sign with.
    """
    if text is None:
        return None
    try:
        return parse_secret(text).text
    except ValueError as wrong:
        raise Invalid(where, str(wrong), JSON_DECODE) from wrong


def sorted_names(names: frozenset[str] | None) -> list[str] | None:
    """A set of names as it is shown."""
    return None if names is None else sorted(names)
