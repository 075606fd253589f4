"""Idempotency keys: a POST that comes again with its key is answered as before, and not done again.

The body is no part of the key, and only success is kept. Creating a message does not go through here: its
answer is kept by the very write that keeps the message.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import blake2b

from functions.api.answers import Answer, is_success
from functions.api.errors import NO_ANSWER
from functions.api.requests import Request
from shared.domain.errors import Unavailable
from shared.ports.answers import Begun
from shared.wiring import Service

KEEP = timedelta(hours=12)
LOCK = timedelta(seconds=5)
"""How long one caller may work on a key before another may try."""
POLL = timedelta(milliseconds=200)
POLLS = 25
"""So a caller waits for another's answer as long as a lock holds."""


def claim_key(request: Request) -> bytes | None:
    """What an idempotency key stands for: caller, key and request. None if there is none."""
    key = request.headers.get(b"idempotency-key")
    caller = request.headers.get(b"authorization")
    if key is None or caller is None:
        return None
    return blake2b(b"%b:%b:%b" % (caller, key, request.target)).digest()


async def once(service: Service, key: bytes, run: Callable[[], Awaitable[Answer]]) -> Answer:
    """Answer as before, or carry the operation out and keep its answer.

    1. Take the key. If it has an answer, that is the answer.
    2. If another caller is at it, wait for its answer; take the key when its lock ends.
    3. Carry the operation out. Keep the answer if it is a success; else free the key.

    Returns:
        The answer; an empty 500 if the key can be neither taken nor answered.
    """
    for poll in range(POLLS + 1):
        now = service.clock.now()
        try:
            begun = await service.answers.begin(key, now=now, lock_until=now + LOCK)
        except Unavailable:
            return NO_ANSWER
        if isinstance(begun, Answer):
            return begun
        if begun is Begun.MINE:
            return await _kept(service, key, now + LOCK, run)
        if poll < POLLS:
            await service.clock.sleep(POLL)
    return NO_ANSWER


async def _kept(
    service: Service, key: bytes, lock_until: datetime, run: Callable[[], Awaitable[Answer]]
) -> Answer:
    try:
        answer = await run()
    except BaseException:
        await _free(service, key, lock_until)
        raise
    if not is_success(answer):
        await _free(service, key, lock_until)
        return answer
    try:
        await service.answers.finish(key, answer, expires_at=service.clock.now() + KEEP)
    except Unavailable as wrong:
        # It is done: to answer 500 now would have the client do it again.
        service.journal.note("answer.lost", status=answer.status, part=wrong.part)
    return answer


async def _free(service: Service, key: bytes, lock_until: datetime) -> None:
    # If this fails, the lock ends by itself.
    with suppress(Unavailable):
        await service.answers.give_up(key, lock_until=lock_until)
