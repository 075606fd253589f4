"""Ports for what tests start."""

import secrets
import socket
from contextlib import suppress

# Below those that systems hand out by themselves: between the choice and the start, nobody else gets it.
LOWEST = 20_000
HIGHEST = 32_767


def free_port() -> int:
    """A port that nobody listens on."""
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
