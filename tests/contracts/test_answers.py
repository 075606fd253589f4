"""What `shared.ports.answers` promises."""

from datetime import timedelta

import pytest

from shared.domain.errors import Unavailable
from shared.ports.answers import Begun
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.contracts.removal import all_gone
from tests.makers import an_answer

KEY = bytes(range(64))
SECOND = timedelta(seconds=1)
LOCK_END = NOON + 5 * SECOND
EXPIRY = NOON + timedelta(hours=12)


async def test_the_first_to_begin_is_to_work_and_the_next_is_told_so(stores: Stores) -> None:
    """Two requests with one key never make two things."""
    assert await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END) is Begun.MINE
    assert await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END) is Begun.SOMEONE_ELSES
    assert await stores.answers.begin(b"another", now=NOON, lock_until=LOCK_END) is Begun.MINE


async def test_a_lock_ends_at_its_instant(stores: Stores) -> None:
    """A process that died with the lock blocks its key for seconds, not for ever."""
    await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END)

    just_before = LOCK_END - timedelta(microseconds=1)
    assert await stores.answers.begin(KEY, now=just_before, lock_until=EXPIRY) is Begun.SOMEONE_ELSES
    assert await stores.answers.begin(KEY, now=LOCK_END, lock_until=EXPIRY) is Begun.MINE
    assert await stores.answers.begin(KEY, now=LOCK_END, lock_until=EXPIRY) is Begun.SOMEONE_ELSES


async def test_a_finished_answer_is_repeated_verbatim_until_it_expires(stores: Stores) -> None:
    answer = an_answer(
        status=201,
        headers=(("Content-Type", "a"), ("x-b", "1"), ("x-b", "2")),
        body=b'{"z":1,"a":"\xc3\xa9"}\xff',
    )
    await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END)
    await stores.answers.finish(KEY, answer, expires_at=EXPIRY)

    just_before = EXPIRY - timedelta(microseconds=1)
    assert await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END) == answer
    assert await stores.answers.begin(KEY, now=just_before, lock_until=EXPIRY) == answer
    assert await stores.answers.begin(KEY, now=EXPIRY, lock_until=EXPIRY + SECOND) is Begun.MINE


async def test_giving_up_frees_the_lock_but_keeps_an_answer(stores: Stores) -> None:
    """An error is never repeated: the next request with the key tries again."""
    await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END)
    await stores.answers.give_up(KEY, lock_until=LOCK_END)
    assert await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END) is Begun.MINE

    await stores.answers.finish(KEY, an_answer(), expires_at=EXPIRY)
    await stores.answers.give_up(KEY, lock_until=LOCK_END)
    assert await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END) == an_answer()


async def test_giving_up_late_leaves_the_lock_of_whoever_is_at_it_now(stores: Stores) -> None:
    """A caller slower than its lock must not let a third one in beside the second."""
    await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END)
    await stores.answers.begin(KEY, now=LOCK_END, lock_until=LOCK_END + 5 * SECOND)

    await stores.answers.give_up(KEY, lock_until=LOCK_END)

    assert await stores.answers.begin(KEY, now=LOCK_END, lock_until=EXPIRY) is Begun.SOMEONE_ELSES


async def test_what_has_expired_is_free_after_retention_has_run(stores: Stores) -> None:
    await stores.answers.finish(KEY, an_answer(), expires_at=NOON)
    await stores.answers.begin(b"lock", now=NOON - SECOND, lock_until=NOON)
    await stores.answers.finish(b"kept", an_answer(), expires_at=EXPIRY)
    stores.clock.move(SECOND)
    now = stores.clock.now()

    await all_gone(lambda _: stores.answers.forget(before=now, limit=1), limit=1)

    for key in (KEY, b"lock"):
        assert await stores.answers.begin(key, now=now, lock_until=LOCK_END) is Begun.MINE
    assert await stores.answers.begin(b"kept", now=now, lock_until=LOCK_END) == an_answer()


async def test_an_answer_outlives_the_process(stores: Stores) -> None:
    await stores.answers.finish(KEY, an_answer(), expires_at=EXPIRY)

    reborn = await stores.reborn()

    assert await reborn.answers.begin(KEY, now=NOON, lock_until=LOCK_END) == an_answer()
    await reborn.close()


async def test_a_store_that_is_out_of_reach_says_so(stores: Stores) -> None:
    await stores.close()

    with pytest.raises(Unavailable):
        await stores.answers.begin(KEY, now=NOON, lock_until=LOCK_END)
    with pytest.raises(Unavailable):
        await stores.answers.finish(KEY, an_answer(), expires_at=EXPIRY)
