"""The end of a client's link, whatever goes over it."""

from typing import TYPE_CHECKING, Protocol

from tests.emulators.servicebus.codec import NULL
from tests.emulators.servicebus.frames import Attached, Fields

if TYPE_CHECKING:
    from tests.emulators.servicebus.connection import Channel


class Unsettled(Protocol):
    """What waits for a client's word on it."""

    def settle(self, delivery_id: int, state: object, *, is_answered: bool) -> None: ...


class Link:
    """One end of a link."""

    def __init__(self, channel: "Channel", fields: Fields, path: str) -> None:
        self.channel = channel
        self.fields = fields
        self.handle = fields.number(1)
        self.path = path

    def attach(self) -> None:
        self.say_attached()

    def say_attached(
        self, source: bytes | None = None, properties: bytes = NULL, max_message_size: int = 0
    ) -> None:
        fields = self.fields
        self.channel.say(
            Attached(
                name=fields.slice(0),
                handle=self.handle,
                is_receiver=not fields.at(2),
                settle_modes=(fields.slice(3), fields.slice(4)),
                source=source or fields.slice(5),
                target=fields.slice(6),
                max_message_size=max_message_size,
                properties=properties,
            ).frame(self.channel.number)
        )

    def flow(self, fields: Fields) -> None:
        pass

    def transfer(self, fields: Fields) -> None:
        pass

    def close(self) -> None:
        pass
