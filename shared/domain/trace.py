"""Trace context by the W3C: what ties a message's stations together, here, at its producer and its receivers.

    traceparent    00-<trace, 32 digits>-<span, 16 digits>-<flags, 2 digits>    all in lower-case hexadecimal
    tracestate     what others want to find again: key=value, key=value

A message has one trace: its producer's, or one that follows from its id. Every attempt is a span of its own
in it, whose id follows from the attempt's. So neither needs to be kept, and both can be told at any time.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

STATE_MAX_CHARACTERS = 512
"""How much of a `tracestate` goes along. Of a longer one, members are left out, the long ones first."""

STATE_MAX_MEMBERS = 32
LONG_MEMBER_CHARACTERS = 128

REMEMBERED = 4096
"""The traces of so many messages are not made anew; some megabyte, and more than are under way at once."""

KEPT_FLAGS = 0b11
"""The flags that have a meaning: that the trace is recorded, and that its id is random."""

SAMPLED = "01"

_TRACE_BYTES, _SPAN_BYTES = 16, 8

_PARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
).fullmatch
_MEMBER = re.compile(
    r"([a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
).fullmatch


class Trace(msgspec.Struct, frozen=True, gc=False):
    """Where a message stands in a trace.

    Attributes:
        id: Of the trace, 32 digits.
        parent_id: The span that the attempts belong to, 16 digits: the producer's, if it sent one.
        flags: Two digits.
        state: The `tracestate` that goes along, if any.
    """

    id: str
    parent_id: str
    flags: str = SAMPLED
    state: str | None = None

    def span(self, attempt_id: str) -> "Span":
        """The attempt's part in it."""
        return Span(self, _span_id(attempt_id))


class Span(msgspec.Struct, frozen=True, gc=False):
    """An attempt's part in a trace.

    Attributes:
        id: 16 digits.
    """

    trace: Trace
    id: str

    def headers(self) -> list[tuple[str, str]]:
        """The headers of the attempt's request."""
        trace = self.trace
        parent = ("traceparent", f"00-{trace.id}-{self.id}-{trace.flags}")
        return [parent] if trace.state is None else [parent, ("tracestate", trace.state)]


def context_of(parents: Sequence[str], states: Sequence[str] = ()) -> str | None:
    """What is kept of the trace context that a producer sent: one text of both, for `trace_of`.

    Args:
        parents: Its `traceparent` headers. Only one alone counts; one that breaks the rules is ignored.
        states: Its `tracestate` headers; they are one list.
    """
    if len(parents) != 1:
        return None
    parent = _PARENT(parents[0].strip(" \t"))
    if parent is None or (parent["version"] == "00" and parent["more"]):
        return None
    flags = int(parent["flags"], 16) & KEPT_FLAGS
    kept = f"00-{parent['trace']}-{parent['span']}-{flags:02x}"
    state = _state_of(states)
    return f"{kept} {state}" if state else kept


@lru_cache(REMEMBERED)  # the stations of a message follow each other within milliseconds
def trace_of(message_id: str, context: str | None) -> Trace:
    """The trace of a message, by what `context_of` has kept; without that it follows from the id."""
    if context is None:
        return Trace(blake2b(message_id.encode(), digest_size=_TRACE_BYTES).hexdigest(), _span_id(message_id))
    parent, _, state = context.partition(" ")
    _, trace_id, span_id, flags = parent.split("-")
    return Trace(trace_id, span_id, flags, state or None)


def _span_id(thing_id: str) -> str:
    """The last characters of an id, which are chance: enough of it to tell the few spans of a trace apart."""
    return thing_id[-_SPAN_BYTES:].encode().hex()


def _state_of(states: Sequence[str]) -> str | None:
    members = [member for member in _members(states) if member]
    keys = {member.partition("=")[0] for member in members}
    if len(keys) < len(members) or len(members) > STATE_MAX_MEMBERS or not all(map(_MEMBER, members)):
        return None
    if len(",".join(members)) > STATE_MAX_CHARACTERS:
        members = [member for member in members if len(member) <= LONG_MEMBER_CHARACTERS]
    while len(",".join(members)) > STATE_MAX_CHARACTERS:
        members.pop()
    return ",".join(members)


def _members(states: Sequence[str]) -> Iterator[str]:
    for state in states:
        for member in state.split(","):
            yield member.strip(" \t")
