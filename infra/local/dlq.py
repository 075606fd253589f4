"""What was given up, asked for over HTTP and written for a person."""

from collections.abc import Iterator
from urllib.parse import urlencode

from functions.api.dead_letters import DeadLetterOut, DeadLettersOut, RedriveIn, RedriveOut
from infra.local.asking import ask

PATH = "/diagnostics/dead-letters"
PAGE = 250


def listed(url: str, token: str, queue: str | None) -> Iterator[str]:
    """A line for each dead letter, page after page.

    Args:
        url: Where the service is.
        token: Of the management organization, which sees everybody's.
        queue: Of this queue alone; None is of all.

    Raises:
        NoAnswer: The service does not answer, or knows no such queue.
    """
    wanted = {"limit": str(PAGE)} | ({} if queue is None else {"queue": queue})
    page = ask(url, token, f"GET {PATH}?{urlencode(wanted)}", DeadLettersOut)
    if not page.data and page.done:
        yield "Nothing was given up."
    while True:
        yield from map(_line, page.data)
        if page.iterator is None:
            return
        following = urlencode({**wanted, "iterator": page.iterator})
        page = ask(url, token, f"GET {PATH}?{following}", DeadLettersOut)


def redriven(url: str, token: str, queue: str | None) -> Iterator[str]:
    """Have it done after all: a line for each queue that had some. Arguments and errors as of `listed`."""
    told = ask(url, token, f"POST {PATH}/redrive", RedriveOut, RedriveIn(queue=queue))
    counts = {one.queue: one.count for one in told.data if one.count}
    yield from (f"{name}: {count} will be handed over again" for name, count in counts.items())
    if not counts:
        yield "Nothing was given up."


def _line(letter: DeadLetterOut) -> str:
    about = (letter.org_id, letter.app_id, letter.msg_id, letter.endpoint_id, letter.task_id)
    subject = " ".join(one for one in about if one is not None) or "(unreadable)"
    return f"{letter.queue:<9}{letter.died_at or 'some time':<28}{subject}: {letter.why}"
