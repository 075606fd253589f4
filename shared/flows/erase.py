"""Erasing what a message or an attempt says, while both stay in view."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.domain.application import Application
from shared.ports.attempts import Attempts
from shared.ports.journal import Journal
from shared.ports.messages import Messages


@dataclass(frozen=True)
class Erase:
    """Takes content out of every store. What was sent before cannot be called back."""

    messages: Messages
    attempts: Attempts
    journal: Journal

    async def payload(self, application: Application, key: str) -> None:
        """Erase the payload of a message, by id or eventId; no attempt is made with it from now on.

        Raises:
            Unknown: The application has no such message.
        """
        await self.messages.erase_payload(application.id, key)
        self.journal.note("payload.erased", app_id=application.id, message=key)

    async def payloads(self, application: Application, keys: Collection[str]) -> Collection[str]:
        """Erase the payloads of some messages, by id or eventId; answer those that the application has."""
        found = await self.messages.erase_several(application.id, keys)
        self.journal.note("payloads.erased", app_id=application.id, messages=len(found))
        return found

    async def response(self, application: Application, message_key: str, attempt_id: str) -> None:
        """Erase what a receiver answered.

        Raises:
            Unknown: The application has no such message, or the message no such attempt.
        """
        message = await self.messages.get(application.id, message_key)
        await self.attempts.erase_response(application.id, message.id, attempt_id)
        self.journal.note(
            "response.erased", app_id=application.id, message_id=message.id, attempt_id=attempt_id
        )
