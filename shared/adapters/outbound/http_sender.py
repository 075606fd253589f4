"""The sender over HTTP/1.1, on aiohttp's client.

One exchange:
1. Take the URL apart (once per URL; `target.py`).
2. Wait for a turn at the receiver (`turns.py`); the clock starts after it.
3. Connect, or take a connection that was kept. A new one passes the guard twice: its name in the resolver
   (`names.py`), and where the socket is made, whatever address came out of it or stood in the URL
   (`connections.py`).
4. Send, and wait for the response's headers; once more if the connection failed at once.
5. Read the beginning of the body. If that is not all of it, the connection is closed, not drained.
"""

import re
from asyncio import CancelledError, current_task, timeout
from collections.abc import Sequence
from datetime import timedelta
from io import BytesIO
from ssl import SSLContext
from time import perf_counter

from aiohttp import (
    ClientConnectionError,
    ClientConnectorDNSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
)
from multidict import CIMultiDict, istr

from shared.adapters.outbound.connections import CONNECTIONS_KEPT, Connections
from shared.adapters.outbound.guard import Subnet
from shared.adapters.outbound.names import Names
from shared.adapters.outbound.reasons import is_blocked, why
from shared.adapters.outbound.target import Target, target_of
from shared.adapters.outbound.turns import SENDS_PER_RECEIVER, Turns
from shared.domain.verdict import RESPONSE_LIMIT_BYTES, Answer, Failure, response_text
from shared.ports.sender import Outgoing

EXTRA_TRY_WITHIN_SECONDS = 1.0
"""What fails sooner is tried once more: most often the receiver had closed an idle connection."""

LARGE_BODY_BYTES = 2**20
"""aiohttp warns of a larger body in one piece; it writes it piecemeal when it comes as a file."""

TOKENS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+\n)*+")
"""Names of headers as HTTP allows them, a line for each."""

FRAMING = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that say where a request ends and what becomes of its connection. Only the HTTP client can know."""


class LeanRequest(ClientRequest):
    """A request that sends the headers it was given, and adds but `Host` and `Content-Length`."""

    DEFAULT_HEADERS: dict[istr, str] = {}  # noqa: RUF012 (as aiohttp declares it)


class HttpSender:
    """Sends over connections that it keeps. Belongs to the event loop that first sends.

    Args:
        user_agent: What we call ourselves.
        allow: Subnets that the guard lets through.
        tls: Whom to trust; by default the machine's certificate authorities.
        names: Who knows addresses; by default the machine's name servers.
        connections_kept: How many connections may be open before idle ones are closed.
        sends_per_receiver: How many requests run at one receiver at once.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        allow: Sequence[Subnet] = (),
        tls: SSLContext | None = None,
        names: Names | None = None,
        connections_kept: int = CONNECTIONS_KEPT,
        sends_per_receiver: int = SENDS_PER_RECEIVER,
    ) -> None:
        self._defaults = (
            ("Accept", "*/*"),
            ("Content-Type", "application/json"),
            ("User-Agent", user_agent),
        )
        self._allow = tuple(allow)
        self._tls = tls
        self._names = names
        self._turns = Turns(sends_per_receiver)
        self._connections_kept = connections_kept
        self._session: ClientSession | None = None

    async def send(self, outgoing: Outgoing) -> Answer:
        try:
            target = target_of(outgoing.url)
            headers = self._headers(outgoing, target)
        except ValueError as error:
            return failed(error, timedelta(0))
        async with self._turns.at(target.origin):
            return await self._exchange(outgoing, target, headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, outgoing: Outgoing, target: Target, headers: CIMultiDict[str]) -> Answer:
        started = perf_counter()
        duration = 0.0
        response: ClientResponse | None = None
        limit = timeout(outgoing.timeout.total_seconds())
        try:
            async with limit:
                response = await self._response(outgoing, target, headers)
                duration = perf_counter() - started
                body = await beginning(response.content)
        except CancelledError as error:
            if is_cancelled():
                raise
            # Not we were cancelled but what we waited for: the session was closed meanwhile.
            return failed(ClientConnectionError(str(error) or "closed"), timedelta(0), response)
        except Exception as error:  # noqa: BLE001 (a stranger drives a large library; see the port's promise)
            if response is None:
                duration = perf_counter() - started
            return failed(error, timedelta(seconds=duration), response, timed_out=limit.expired())
        finally:
            if response is not None:
                response.close()  # does nothing to a connection whose body was read to its end
        return Answer(
            response.status, response_text(body), timedelta(seconds=duration), lower_cased(response)
        )

    async def _response(
        self, outgoing: Outgoing, target: Target, headers: CIMultiDict[str]
    ) -> ClientResponse:
        """Send, and wait for the response's headers.

        Raises:
            ClientConnectionError: Twice, or once and too late, or in a way that trying again cannot mend.
        """
        started = perf_counter()
        try:
            return await self._post(outgoing, target, headers)
        except ClientConnectionError as error:
            if isinstance(error, ClientConnectorDNSError | ClientSSLError) or is_blocked(error):
                raise  # a second look would see the same
            if perf_counter() - started > EXTRA_TRY_WITHIN_SECONDS:
                raise
        return await self._post(outgoing, target, headers)

    async def _post(self, outgoing: Outgoing, target: Target, headers: CIMultiDict[str]) -> ClientResponse:
        body = outgoing.body
        return await self._open_session().post(
            target.url,
            headers=headers,
            data=body if len(body) <= LARGE_BODY_BYTES else BytesIO(body),
            allow_redirects=False,
        )

    def _headers(self, outgoing: Outgoing, target: Target) -> CIMultiDict[str]:
        given = [name.lower() for name, _ in outgoing.headers]
        if not TOKENS.fullmatch("".join(f"{name}\n" for name in given)):
            raise ValueError("a header's name is not one")
        if not FRAMING.isdisjoint(given):
            raise ValueError("a header would change how the request is framed")
        headers = CIMultiDict(pair for pair in self._defaults if pair[0].lower() not in given)
        if target.authorization is not None and "authorization" not in given:
            headers["Authorization"] = target.authorization
        headers.extend(outgoing.headers)
        "".join(headers.values()).encode()  # what no encoding can hold would be sent as broken bytes
        return headers

    def _open_session(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=Connections(self._allow, self._tls, self._names, kept=self._connections_kept),
                request_class=LeanRequest,
                timeout=ClientTimeout(total=None),  # the whole exchange has one of ours
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,  # a small body could grow without bound
                trust_env=False,  # a proxy would connect on our behalf, without the guard
            )
        return self._session


def is_cancelled() -> bool:
    """Whether it is our caller who gives up."""
    task = current_task()
    return task is not None and task.cancelling() > 0


async def beginning(content: StreamReader) -> bytes:
    """The first `RESPONSE_LIMIT_BYTES` of a body, or all of it."""
    body = await content.read(RESPONSE_LIMIT_BYTES)
    while not content.at_eof() and len(body) < RESPONSE_LIMIT_BYTES:
        body += await content.read(RESPONSE_LIMIT_BYTES - len(body))
    return body


def failed(
    error: Exception,
    duration: timedelta,
    response: ClientResponse | None = None,
    *,
    timed_out: bool = False,
) -> Answer:
    """The answer when there was no complete response."""
    failure, text = (Failure.TIMEOUT, Failure.TIMEOUT.value) if timed_out else why(error)
    if response is None:
        return Answer(0, text, duration, failure=failure)
    return Answer(response.status, text, duration, lower_cased(response), failure)


def lower_cased(response: ClientResponse) -> dict[str, str]:
    """A response's headers, their names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}
