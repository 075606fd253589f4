"""Shapes that several resources share."""

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from functions.api.answers import Answer, json_answer
from shared.domain.paging import Page

Row = TypeVar("Row")
Out = TypeVar("Out", bound=msgspec.Struct)


class ListResponse(msgspec.Struct, Generic[Out], kw_only=True, rename="camel"):
    """One page of a list.

    Attributes:
        iterator: Where the next page begins; null if this page is empty.
        prev_iterator: Where the page before begins; absent if this page is empty.
        done: There is nothing more in this direction.
    """

    data: list[Out]
    iterator: str | None
    prev_iterator: str | msgspec.UnsetType = msgspec.UNSET
    done: bool


def list_answer(kind: type[ListResponse[Out]], page: Page[Row], out: Callable[[Row], Out]) -> Answer:
    """Answer with one page of a list."""
    before = page.prev_iterator
    return json_answer(
        200,
        kind(
            data=[out(row) for row in page.rows],
            iterator=page.iterator,
            prev_iterator=msgspec.UNSET if before is None else before,
            done=page.done,
        ),
    )
