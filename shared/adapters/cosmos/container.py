"""One container: every operation bounded in time, and every failure one of ours.

    Refused        the service did not do it: something is there already, not there, or not as expected
    Unavailable    the service is out of reach, overloaded or says no to us; what the operation would have
                   changed may be changed or not

Azure's client sends a request again whose answer was lost, also one that writes. So a write that was done may
be refused as if somebody else had been quicker: whoever writes reads after a refusal what is there, and
writes nothing that would not be the same when it is written twice.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shared.domain.errors import Unavailable

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy

Document = dict[str, Any]
Operation = tuple[str, tuple[Any, ...]] | tuple[str, tuple[Any, ...], dict[str, Any]]
"""One operation of a batch, as Azure's client takes it: `("create", (document,))`."""

REFUSALS = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED})
MISTAKES = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.NOT_IMPLEMENTED}
)
"""What only a mistake of ours is answered with: it is not hidden behind `Unavailable`."""

NO_CONTAINER = 1003
NOT_CAUGHT_UP = 1002
"""Why, beneath a 404, nothing was found though the document may be there."""

STRANGER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""What whoever is not known, or may not do what was asked, is answered with."""

PARTITION_FULL = 1014
"""Why, beneath a 403, nothing was done though we may do it."""

RETRY_AFTER = "x-ms-retry-after-ms"

RETRY_WITH = 449
"""What a write is answered that has met another one of the same document: it has done nothing."""

REST_SECONDS = (0.01, 0.04, 0.16, 0.64)
"""How long such a write rests each time before it is sent again, which Azure's client leaves to us."""

CONTINUATION_KB = 4
"""How long the token is at most that says where the next page begins. The service would make it as long as it
likes, and `aiohttp` takes no header of more than 8 KB."""

ETAG = "_etag"

IN_PARTITION = "c.pk = @pk"
"""What a query of one partition says besides: the service finds by an index what it is about, and only by one
that the query speaks of. Partitions of many applications lie in one place, and have one index."""

ID_MAX_BYTES = 1023
"""How long the id of a document may be, as the service takes it."""

_is_id = re.compile(rf"(?!\.{{1,2}}\Z)(?!.*[#%/?\\])[!-~]{{1,{ID_MAX_BYTES}}}").fullmatch
"""Whether a document of ours may have this id. With others the service may mean something else: an id is a
step of the request's path, where `..` is the container itself."""


@dataclass(eq=False)
class Refused(Exception):
    """The service did not do what was asked, and has changed nothing.

    Attributes:
        status: 404: it is not there. 409: it is there already. 412: it is not as expected.
        at: In a batch, which operation was refused, counted from 0.
    """

    status: int
    at: int = 0

    @property
    def is_missing(self) -> bool:
        """Whether there is no such document."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether there is such a document already."""
        return self.status == HTTPStatus.CONFLICT


class _Met(Unavailable):
    """A write has met another one."""


class Container:
    """See the module."""

    def __init__(self, proxy: "Callable[[], Awaitable[ContainerProxy]]", bound: timedelta) -> None:
        self._proxy = proxy
        self._bound_seconds = bound.total_seconds()

    async def read(self, document_id: str, pk: str) -> Document | None:
        """Read a document; None if there is none."""
        if not _is_id(document_id):
            return None
        try:
            found: Document = await self._run(lambda proxy: proxy.read_item(document_id, pk))
        except Refused:
            return None
        return found

    async def create(self, document: Document) -> None:
        """Write a document that must not be there yet.

        Raises:
            Refused: It is.
        """
        await self._run(lambda proxy: proxy.create_item(document))

    async def upsert(self, document: Document) -> None:
        """Write a document, whatever was there."""
        await self._run(lambda proxy: proxy.upsert_item(document))

    async def replace(self, document: Document, etag: str) -> None:
        """Write a document in place of what was read with this etag.

        Raises:
            Refused: It has changed since, or is gone.
        """
        await self._run(lambda proxy: proxy.replace_item(document["id"], document, **_unchanged(etag)))

    async def patch(
        self, document_id: str, pk: str, operations: Sequence[Mapping[str, Any]], when: str | None = None
    ) -> Document:
        """Change parts of a document, and read it as it is then.

        Args:
            document_id: Its id.
            pk: Its partition.
            operations: At most 10: `{"op": "set", "path": "/a", "value": 1}`.
            when: What must be true of it before: `FROM c WHERE …`.

        Raises:
            Refused: It is not there, or not as expected.
        """
        changes = [dict(one) for one in operations]
        patched: Document = await self._run(
            lambda proxy: proxy.patch_item(document_id, pk, changes, filter_predicate=when)
        )
        return patched

    async def delete(self, document_id: str, pk: str, etag: str | None = None) -> None:
        """Remove a document.

        Raises:
            Refused: There is none, or it has changed since it was read with this etag.
        """
        when = {} if etag is None else _unchanged(etag)
        await self._run(lambda proxy: proxy.delete_item(document_id, pk, **when))

    async def batch(self, pk: str, operations: Sequence[Operation]) -> Sequence[Document | None]:
        """Do several operations on one partition, all or none; answer the documents as they are then.

        Raises:
            Refused: One of them was refused, and none was done.
        """
        done = await self._run(lambda proxy: proxy.execute_item_batch(list(operations), pk))
        return [one.get("resourceBody") for one in done]

    async def query(
        self, sql: str, given: Mapping[str, object], *, pk: str | None = None, page: int | None = None
    ) -> AsyncGenerator[Any, None]:
        """Read what a query selects, page by page as it is taken.

        Args:
            sql: The query.
            given: What its parameters stand for, by their names without `@`.
            pk: In which partition; None is in all, one range after the other and in no order.
            page: How many rows a page has at most; None leaves it to the service.
        """
        parameters = [{"name": f"@{name}", "value": value} for name, value in given.items()]
        where: dict[str, Any] = {} if pk is None else {"partition_key": pk}

        async def begin(proxy: "ContainerProxy") -> AsyncIterator[AsyncIterator[Any]]:
            rows = proxy.query_items(
                sql,
                parameters=parameters,
                max_item_count=page,
                continuation_token_limit=CONTINUATION_KB,
                **where,
            )
            return rows.by_page()

        pages = await self._run(begin)
        while True:
            try:
                rows = await self._run(lambda _: anext(pages))
            except StopAsyncIteration:
                return
            async for row in rows:
                yield row

    async def _run(self, operate: Callable[["ContainerProxy"], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as the client answers
        """Do something within the bound.

        Raises:
            Refused: The service did not do it.
            Unavailable: It is out of reach, overloaded, or does not know us.
        """
        try:
            async with asyncio.timeout(self._bound_seconds):
                for rest_seconds in REST_SECONDS:
                    with suppress(_Met):
                        return await self._asked(operate)
                    await asyncio.sleep(rest_seconds)  # noqa: TID251 - within the bound, as the client rests
                return await self._asked(operate)
        except TimeoutError as late:
            raise Unavailable("store", f"no answer within {self._bound_seconds:g} s") from late

    async def _asked(self, operate: Callable[["ContainerProxy"], Awaitable[Any]]) -> Any:  # noqa: ANN401 - as above
        with _failures():
            return await operate(await self._proxy())


def _unchanged(etag: str) -> dict[str, Any]:
    from azure.core import MatchConditions  # noqa: PLC0415 - see `account`

    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what Azure's client raises into what is ours.

    Raises:
        Refused: The service did not do it.
        _Met: It was a write that has met another one.
        Unavailable: It is out of reach, overloaded, or does not know us.
        AzureError: What was asked is a mistake of ours.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - see `account`

    try:
        yield
    except ClientAuthenticationError as nobody:
        # Its status is that of whoever signs us in, and says nothing of what was asked.
        raise Unavailable("store", f"we cannot sign in: {_first_line(nobody)}") from nobody
    except AzureError as wrong:
        status = getattr(wrong, "status_code", None)
        if status in MISTAKES:
            raise
        sub_status = getattr(wrong, "sub_status", None)
        if status in REFUSALS and sub_status not in {NO_CONTAINER, NOT_CAUGHT_UP}:
            raise Refused(status, getattr(wrong, "error_index", 0)) from wrong
        why = _first_line(wrong)
        if status == RETRY_WITH:
            raise _Met("store", why) from wrong
        if status in STRANGER and sub_status != PARTITION_FULL:
            role = "does the identity have the role Cosmos DB Built-in Data Contributor?"
            why = f"it refuses our credential; {role} ({why})"
        raise Unavailable("store", why, _wait(wrong)) from wrong


def _first_line(wrong: Exception) -> str:
    return str(wrong).partition("\n")[0] or type(wrong).__name__


def _wait(wrong: Exception) -> timedelta | None:
    """How long the service asks to be left alone."""
    headers = getattr(wrong, "headers", None) or {}
    wait_ms = headers.get(RETRY_AFTER)
    return None if wait_ms is None else timedelta(milliseconds=float(wait_ms))
