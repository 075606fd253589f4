"""Large bodies as blobs of one container.

The name of a blob begins with its end, so that those which are over are the first that the service lists:

    20261124T090000000000Z/msg_2aBcDeFgHiJkLmNoPqRsTuVwXy
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import ContainerClient, LinearRetry

from shared.domain.errors import Unavailable
from shared.ports.removal import Removed

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

CONTAINER = "bodies"
PART = "blob storage"

BOUND = timedelta(seconds=10)
"""How long an operation may take with everything that the client does about a failure. Shorter than any host
waits for us."""

RETRIES = 2
REST_SECONDS = 1
"""How often the client asks again, and how long it rests before; by itself it would take a minute."""

READ_TIMEOUT_SECONDS = 5
"""How long the service may be silent before the request is sent again."""

REMOVED_AT_ONCE = 32
"""So many are removed side by side, which ends well within the bound."""

NO_CONTAINER = "ContainerNotFound"

Result = TypeVar("Result")


class BlobBodies:
    """See `shared.ports.bodies.Bodies`.

    Args:
        endpoint: Of the storage account, as a URL.
        credential: A token credential of `azure.identity.aio`, which stays its maker's to close; or an
            emulator's key.
        container: Where the bodies are; whoever deploys the account makes it.
    """

    def __init__(
        self, endpoint: str, credential: "AsyncTokenCredential | str", *, container: str = CONTAINER
    ) -> None:
        # It tells of each request otherwise.
        logging.getLogger("azure").setLevel(logging.WARNING)
        self._endpoint = endpoint
        self._credential = credential
        self._container = container
        self._client: ContainerClient | None = None
        self._is_closed = False

    async def keep(self, owner: str, body: bytes, *, expires_at: datetime) -> str:
        place = f"{_stamp(expires_at)}/{owner}"
        await self._run(lambda client: client.upload_blob(place, body, length=len(body), overwrite=True))
        return place

    async def read(self, place: str) -> bytes | None:
        async def download(client: ContainerClient) -> bytes:
            stream = await client.download_blob(place)
            return await stream.readall()

        with suppress(ResourceNotFoundError):
            return await self._run(download)
        return None

    async def remove(self, place: str) -> None:
        with suppress(ResourceNotFoundError):
            await self._run(lambda client: client.delete_blob(place))

    async def forget(self, *, before: datetime, limit: int) -> Removed:
        places = await self._run(lambda client: _first(client, min(limit, REMOVED_AT_ONCE) + 1))
        over = [place for place in places if place.partition("/")[0] <= _stamp(before)]
        count = min(len(over), limit, REMOVED_AT_ONCE)
        await self._run(lambda client: _remove(client, over[:count]))
        return Removed(count, "" if len(over) > count else None)

    async def close(self) -> None:
        """Close every connection. From then on every operation raises `Unavailable`."""
        self._is_closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _run(self, operate: Callable[[ContainerClient], Awaitable[Result]]) -> Result:
        async with _bounded():
            return await operate(self._opened())

    def _opened(self) -> ContainerClient:
        if self._is_closed:
            raise Unavailable(PART, "it is closed")
        if self._client is None:
            self._client = ContainerClient(
                self._endpoint,
                self._container,
                self._credential,
                transport=AioHttpTransport(use_env_settings=False),
                retry_policy=LinearRetry(backoff=REST_SECONDS, retry_total=RETRIES, random_jitter_range=0),
                read_timeout=READ_TIMEOUT_SECONDS,
            )
        return self._client


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


async def _first(client: ContainerClient, count: int) -> Sequence[str]:
    places: list[str] = []
    async for place in client.list_blob_names(results_per_page=count):
        places.append(place)
        if len(places) == count:
            break
    return places


async def _remove(client: ContainerClient, places: Sequence[str]) -> None:
    async def remove(place: str) -> None:
        with suppress(ResourceNotFoundError):
            await client.delete_blob(place)

    await asyncio.gather(*map(remove, places))


@asynccontextmanager
async def _bounded() -> AsyncIterator[None]:
    """End in time, and turn what the client raises into errors of ours; that a blob is not there stays.

    Raises:
        ResourceNotFoundError: There is no such blob.
        Unavailable: Whatever else is wrong.
    """
    try:
        async with asyncio.timeout(BOUND.total_seconds()):
            yield
    except TimeoutError as late:
        raise Unavailable(PART, f"no answer within {BOUND.total_seconds():g} s") from late
    except ResourceNotFoundError as missing:
        if getattr(missing, "error_code", None) == NO_CONTAINER:
            raise Unavailable(PART, "the account has no such container; create it") from missing
        raise
    except HttpResponseError as wrong:
        why = str(wrong).partition("\n")[0]
        if wrong.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            why = "it refuses our credential; does the identity have the role Storage Blob Data Contributor?"
        raise Unavailable(PART, why) from wrong
    except AzureError as wrong:
        raise Unavailable(PART, str(wrong).partition("\n")[0] or type(wrong).__name__) from wrong
