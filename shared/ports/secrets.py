"""Signing keys at rest."""

from typing import Protocol


class Secrets(Protocol):
    """Encrypts what must not lie readable in a store.

    What `seal` made, `open` returns, also in a later process with the same key; a changed byte is an error,
    never another text. Sealing one text twice gives two different results.
    `tests/contracts/test_secrets.py` holds every adapter to these sentences.
    """

    async def seal(self, text: str) -> bytes:
        """Encrypt a text.

        Raises:
            Unavailable: Whoever keeps the key is out of reach, or refuses us.
        """
        ...

    async def open(self, sealed: bytes) -> str:
        """Decrypt what `seal` made.

        Raises:
            Unavailable: The bytes are damaged or were sealed with a key that is not at hand, or whoever
                keeps the key is out of reach, or refuses us.
        """
        ...
