"""The bytes of a request, down to the casing of its header names."""

import re
from dataclasses import dataclass
from functools import lru_cache

from shared.adapters.outbound.target import Target
from shared.ports.sender import Outgoing

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What HTTP allows as the name of a header."""

CONTROLS = bytes((*range(0x20), 0x7F)).replace(b"\t", b"")
"""Bytes that no header may have. Among them the ends of lines: behind one, anything could be said."""

FRAMING = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that say where a request ends and what becomes of its connection. That is ours to say."""

PLANS_KEPT = 1024
"""How many sets of header names are remembered; endpoints without headers of their own share one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request needs besides the headers that it was given.

    Attributes:
        defaults: The lines of the headers that are always sent, as far as they were not given.
    """

    defaults: str
    needs_host: bool
    needs_authorization: bool


class Writer:
    """Writes requests."""

    def __init__(self, *, user_agent: str) -> None:
        self._always = {"Accept": "*/*", "Content-Type": "application/json", "User-Agent": user_agent}
        self._plan = lru_cache(PLANS_KEPT)(self._plan_beside)

    def head(self, outgoing: Outgoing, target: Target) -> bytes:
        """The request line and the headers.

        Raises:
            ValueError: A header would become something else on the wire.
        """
        headers = outgoing.headers
        plan = self._plan(tuple([name for name, _ in headers]))
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
        host = f"Host: {target.authority}\r\n" if plan.needs_host else ""
        authorization = (
            f"Authorization: {target.authorization}\r\n"
            if plan.needs_authorization and target.authorization is not None
            else ""
        )
        written = fields.encode()
        if len(written) - len(written.translate(None, CONTROLS)) != 2 * len(headers):
            raise ValueError("a header has a control character in its value")
        return (
            f"POST {target.path} HTTP/1.1\r\n{host}{plan.defaults}{authorization}".encode()
            + written
            + b"Content-Length: %d\r\n\r\n" % len(outgoing.body)
        )

    def _plan_beside(self, names: tuple[str, ...]) -> Plan:
        given = {name.lower() for name in names}
        if not all(TOKEN.fullmatch(name) for name in names):
            raise ValueError("a header has a name that is not one")
        if not FRAMING.isdisjoint(given):
            raise ValueError("a header would change how the request is framed")
        return Plan(
            "".join(
                f"{name}: {value}\r\n" for name, value in self._always.items() if name.lower() not in given
            ),
            needs_host="host" not in given,
            needs_authorization="authorization" not in given,
        )
