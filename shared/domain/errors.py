"""Everything that can go wrong, in one picture.

HeliographError
├── Rejected               the caller asked for something we will not do
│   ├── Invalid            a value breaks a rule; says which and what to write instead
│   ├── Unknown            there is no such thing, or not for this caller
│   ├── PayloadGone        the message is known, its payload was erased or has expired
│   ├── EndpointDisabled   the endpoint is known, and disabled
│   ├── NoExample          the event type is known, and its schema has no example
│   ├── NotToBeCancelled   the background task is known, and goes on to its end
│   └── TooLargeToQueue    a queue does not take so large a body
├── Conflict               somebody else got there first; reading again is safe
│   ├── UidTaken           another application or endpoint has this uid
│   ├── EventIdTaken       the application has a message with this eventId
│   ├── EventTypeTaken     the organization has a live event type of this name
│   └── TooManyKeys        an endpoint keeps no more unexpired signing keys than it has now
└── Unavailable            a part of ours is down or full; nothing was changed, trying again later is safe

None of them knows HTTP: `functions.api.errors` is the only place that maps them to status codes.
"""

from dataclasses import dataclass
from datetime import timedelta


class HeliographError(Exception):
    """The root: whatever Heliograph itself raises on purpose."""


class Rejected(HeliographError):
    """The caller asked for something we will not do; asking again does not help."""


@dataclass(eq=False)
class Invalid(Rejected):
    """A value breaks a rule.

    Attributes:
        where: The path to the value, outermost first, such as `("body", "url")`.
        why: One sentence for a person: the rule, or what to write instead.
        kind: The machine's word for it.
    """

    where: tuple[str, ...]
    why: str
    kind: str = "value_error"

    def __str__(self) -> str:
        return f"{'.'.join(part for part in self.where if part)}: {self.why}"


@dataclass(eq=False)
class Unknown(Rejected):
    """There is no such thing, or not for this caller.

    Attributes:
        what: A word of ours: `application`, `event type`, `endpoint`, `message`, `attempt`.
        key: The id, uid or name that was asked for.
    """

    what: str
    key: str

    def __str__(self) -> str:
        return f"there is no {self.what} {self.key!r}"


@dataclass(eq=False)
class PayloadGone(Rejected):
    """The message is known, but its payload was erased or has expired."""

    message_id: str

    def __str__(self) -> str:
        return f"the payload of {self.message_id} was erased or has expired"


@dataclass(eq=False)
class EndpointDisabled(Rejected):
    """The endpoint is known, but nothing is sent to it while it is disabled."""

    endpoint_id: str

    def __str__(self) -> str:
        return f"{self.endpoint_id} is disabled; enable it first"


@dataclass(eq=False)
class NoExample(Rejected):
    """The event type is known, but version 1 of its schema has no example that is an object."""

    name: str

    def __str__(self) -> str:
        return f'the event type {self.name!r} has no such example: give schema "1" an object in `examples`'


@dataclass(eq=False)
class NotToBeCancelled(Rejected):
    """The background task is known, but it has begun what nothing must be left of half done."""

    task_id: str

    def __str__(self) -> str:
        return f"{self.task_id} erases an application, which cannot be taken back or left half done"


@dataclass(eq=False)
class TooLargeToQueue(Rejected):
    """A queue does not take so large a body."""

    queue: str

    def __str__(self) -> str:
        return f"the queue {self.queue!r} does not take so large a body; queue less, and store the rest"


class Conflict(HeliographError):
    """Somebody else got there first; reading again is safe."""


@dataclass(eq=False)
class UidTaken(Conflict):
    """Another application of the organization, or endpoint of the application, has this uid.

    Attributes:
        what: `application` or `endpoint`.
        uid: The uid that both want.
    """

    what: str
    uid: str

    def __str__(self) -> str:
        return f"another {self.what} has the uid {self.uid!r}"


@dataclass(eq=False)
class EventIdTaken(Conflict):
    """The application already has a message with this eventId."""

    event_id: str

    def __str__(self) -> str:
        return f"the application already has a message with the eventId {self.event_id!r}"


@dataclass(eq=False)
class EventTypeTaken(Conflict):
    """The organization already has a live event type of this name."""

    name: str

    def __str__(self) -> str:
        return f"there is an event type {self.name!r} already"


@dataclass(eq=False)
class TooManyKeys(Conflict):
    """An endpoint keeps no more unexpired signing keys than it has now."""

    limit: int

    def __str__(self) -> str:
        return f"an endpoint keeps at most {self.limit} old signing keys that have not expired"


@dataclass(eq=False)
class Unavailable(HeliographError):
    """A part of ours is down or full. Nothing was changed; trying again later is safe.

    Attributes:
        part: Which part, such as `store` or `queue`.
        why: What it said.
        wait: How long it asks to be left alone, if it does.
    """

    part: str
    why: str
    wait: timedelta | None = None

    def __str__(self) -> str:
        return f"the {self.part} is unavailable: {self.why}"
