"""What the Durable Functions package says after a replay: is the orchestrator done, and what does it want."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import IntEnum

import msgspec

MARK = "\n\n$OutOfProcData$:"
"""Stands in the package's exceptions between the orchestrator's error and what it wanted until then."""


class Want(IntEnum):
    """The kinds of actions; the numbers are the package's."""

    ACTIVITY = 0
    ACTIVITY_WITH_RETRY = 1
    CHILD = 2
    CHILD_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    TIMER = 5
    EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    ANY = 11
    ALL = 12


class RetryOptions(msgspec.Struct, frozen=True, rename="camel"):
    """The retry policy of one call."""

    first_retry_interval_in_milliseconds: int
    max_number_of_attempts: int


class Action(msgspec.Struct, frozen=True, rename="camel"):
    """Something that an orchestrator wants.

    Attributes:
        input: JSON text.
        compound_actions: Of `ANY` and `ALL`, which are nothing by themselves.
    """

    action_type: Want
    function_name: str = ""
    input: str | None = None
    instance_id: str | None = None
    version: str | None = None
    retry_options: RetryOptions | None = None
    fire_at: datetime | None = None
    is_canceled: bool = False
    compound_actions: "Sequence[Action]" = ()


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """What is said after a replay.

    Attributes:
        actions: Everything wanted since the execution began, in order, in one inner list.
        output: Any JSON value; empty if there is none. So is `custom_status`.
        error: Why the orchestrator failed, if it did.
    """

    is_done: bool = False
    actions: Sequence[Sequence[Action]] = ()
    output: msgspec.Raw = msgspec.Raw()
    custom_status: msgspec.Raw = msgspec.Raw()
    error: str | None = None

    @property
    def wants(self) -> Sequence[Action]:
        """Every action that is one by itself."""
        return [single for actions in self.actions for action in actions for single in _singles(action)]


_decoder = msgspec.json.Decoder(Answer)


def from_text(text: str) -> Answer:
    """Read what an orchestrator function returned.

    Raises:
        msgspec.MsgspecError: It is not the package's answer.
    """
    return _decoder.decode(text)


def from_error(error: Exception) -> Answer:
    """Read what the package raised: the orchestrator's error, and with it the answer."""
    text = str(error)
    why, mark, said = text.rpartition(MARK)
    if not mark:
        return Answer(error=text or type(error).__name__)
    try:
        answer = _decoder.decode(said)
    except msgspec.MsgspecError:
        return Answer(error=why)
    return msgspec.structs.replace(answer, error=answer.error or why)


def text_of(raw: msgspec.Raw) -> str | None:
    """A value as JSON text; None for none, and for null."""
    text = bytes(raw).decode()
    return None if text in ("", "null") else text


def _singles(action: Action) -> Iterator[Action]:
    if action.action_type not in (Want.ANY, Want.ALL):
        yield action
    for inner in action.compound_actions:
        yield from _singles(inner)
