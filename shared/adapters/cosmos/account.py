"""The client of a Cosmos DB account: one a process, opened by the first operation."""

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.adapters.cosmos.container import Container
from shared.adapters.cosmos.containers import DATABASE, Shape
from shared.domain.errors import Unavailable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.cosmos.aio import ContainerProxy, CosmosClient

BOUND = timedelta(seconds=10)
"""How long an operation may take with everything that the client does about a failure. Longer than the client
needs to try again after an answer that is slow or lost, and shorter than any host waits for us."""

READ_TIMEOUT = timedelta(seconds=5)
"""How long the service may be silent before the request is sent again. Usual is 5 ms."""

THROTTLED_TRIES = 3
THROTTLED_TIME = timedelta(seconds=4)
"""How often, and for how long in all, a throttled request is sent again. Then the caller hears of it, with
the rest that the service asks for, while the host that waits for the caller still does."""


CONSISTENT_ENOUGH = frozenset({"Strong", "BoundedStaleness"})
"""What an account's own consistency has to be, so that processes read what others have written; the second
keeps that only in one region."""


class Account:
    """The databases of one account, by Azure's client, which is imported when it is first needed.

    Args:
        endpoint: Where it is, as a URL.
        credential: A token credential of `azure.identity.aio`, which stays its maker's to close; or the
            account's key, as emulators have it.
        bound: How long an operation may take.
        database: Which database is ours.
    """

    def __init__(
        self,
        endpoint: str,
        credential: "AsyncTokenCredential | str",
        *,
        bound: timedelta = BOUND,
        database: str = DATABASE,
    ) -> None:
        self._endpoint = endpoint
        self._credential = credential
        self._bound = bound
        self._database = database
        self._opening = asyncio.Lock()
        self._client: CosmosClient | None = None
        self._proxies: dict[str, ContainerProxy] = {}
        self._is_closed = False

    def container(self, shape: Shape) -> Container:
        """One of the containers. The service hears nothing until something is asked of the container."""

        async def proxy() -> "ContainerProxy":
            return self._proxies.get(shape.name) or await self._open(shape.name)

        return Container(proxy, self._bound)

    async def close(self) -> None:
        """Close every connection. From then on every operation raises `Unavailable`."""
        async with self._opening:
            self._is_closed = True
            self._proxies.clear()
            client, self._client = self._client, None
            if client is not None:
                await client.close()

    async def _open(self, name: str) -> "ContainerProxy":
        """A container by name, with the client opened if it is not.

        Raises:
            Unavailable: The account is closed.
        """
        async with self._opening:
            if self._is_closed:
                raise Unavailable("store", "it is closed")
            if self._client is None:
                # Emulators say what they like, and have one copy of everything.
                is_emulator = isinstance(self._credential, str)
                self._client = await _opened(
                    _client(self._endpoint, self._credential), checks=not is_emulator
                )
            database = self._client.get_database_client(self._database)
            return self._proxies.setdefault(name, database.get_container_client(name))


async def _opened(client: "CosmosClient", *, checks: bool) -> "CosmosClient":
    """A client with its connections.

    Args:
        client: It.
        checks: Look whether the account is as it has to be.

    Raises:
        Unavailable: It is not.
    """
    try:
        await client.__aenter__()
        if checks:
            await _check_consistency(client)
    except BaseException:
        await client.close()
        raise
    return client


async def _check_consistency(client: "CosmosClient") -> None:
    """Go on if the account keeps what we rely on.

    Raises:
        Unavailable: It does not.
    """
    account = await client._get_database_account()  # noqa: SLF001 - nothing else tells what the account says
    said = (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel", "unknown")
    if said not in CONSISTENT_ENOUGH:
        raise Unavailable(
            "store",
            f"the account's default consistency is {said}; set it to Strong, or in one region to"
            " BoundedStaleness: processes have to read what others have written",
        )


def _client(endpoint: str, credential: "AsyncTokenCredential | str") -> "CosmosClient":
    # 0.2 s and 32 MB, which the SQLite host never needs.
    from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415
    from azure.cosmos.aio import CosmosClient  # noqa: PLC0415

    # It tells of each request otherwise.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return CosmosClient(
        endpoint,
        credential,
        # To look at the environment for a proxy costs as much for each request as all else that it does.
        transport=AioHttpTransport(use_env_settings=False),
        read_timeout=READ_TIMEOUT.total_seconds(),
        retry_throttle_total=THROTTLED_TRIES,
        retry_throttle_backoff_max=int(THROTTLED_TIME.total_seconds()),
    )
