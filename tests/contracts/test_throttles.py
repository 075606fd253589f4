"""What every adapter of the turns under a rate does."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.errors import Unavailable
from shared.domain.throttle import Limit, Turn
from tests.clock import NOON
from tests.contracts.adapters import Stores
from tests.makers import an_endpoint

APP = "app_1"
SECOND = timedelta(seconds=1)
ENDPOINT = Limit("ep_1@1", SECOND)
APPLICATION = Limit("app_1@4", SECOND / 4)


async def test_the_first_may_leave_and_the_others_wait_in_order(stores: Stores) -> None:
    turns = [await stores.throttles.take(APP, [ENDPOINT], now=NOON) for _ in range(3)]
    assert turns == [None, Turn(NOON + SECOND, ENDPOINT.line), Turn(NOON + 2 * SECOND, ENDPOINT.line)]


async def test_no_turn_is_given_twice_to_who_comes_at_once(stores: Stores) -> None:
    turns = await asyncio.gather(*(stores.throttles.take(APP, [ENDPOINT], now=NOON) for _ in range(50)))
    assert sorted(turn.at for turn in turns if turn) == [NOON + n * SECOND for n in range(1, 50)]


async def test_lines_do_not_know_each_other(stores: Stores) -> None:
    for line in ("ep_1@1", "ep_2@1", "ep_1@2"):
        assert await stores.throttles.take(APP, [Limit(line, SECOND)], now=NOON) is None


async def test_a_line_is_no_endpoint_though_it_is_called_as_one(stores: Stores) -> None:
    """Without a change of its rate, that is what it is called."""
    endpoint = an_endpoint()
    await stores.endpoints.add(endpoint)
    limit = Limit(endpoint.id, SECOND)

    assert await stores.throttles.take(endpoint.app_id, [limit], now=NOON) is None
    assert await stores.throttles.next_turns(endpoint.app_id, [limit], now=NOON) == [NOON + SECOND]

    assert await stores.endpoints.of_application(endpoint.app_id) == [endpoint]


async def test_a_turn_in_the_second_line_is_taken_only_when_that_in_the_first_has_come(
    stores: Stores,
) -> None:
    both = [ENDPOINT, APPLICATION]
    assert await stores.throttles.take(APP, both, now=NOON) is None
    assert await stores.throttles.take(APP, both, now=NOON) == Turn(NOON + SECOND, ENDPOINT.line)
    turn = await stores.throttles.take(APP, [APPLICATION], now=NOON)
    assert turn == Turn(NOON + SECOND / 4, APPLICATION.line)


async def test_turns_are_taken_for_good(stores: Stores) -> None:
    """A restart is no way around a rate, and costs a line a second at most."""
    for _ in range(3):
        await stores.throttles.take(APP, [ENDPOINT], now=NOON)
    other = await stores.reborn()
    turn = await other.throttles.take(APP, [ENDPOINT], now=NOON)
    assert turn is not None
    assert NOON + 3 * SECOND <= turn.at <= NOON + 4 * SECOND
    await other.close()


async def test_a_line_whose_turns_are_past_begins_anew(stores: Stores) -> None:
    await stores.throttles.take(APP, [ENDPOINT], now=NOON)
    other = await stores.reborn()
    for store in (stores, other):
        stores.clock.move(timedelta(hours=1))
        assert await store.throttles.take(APP, [ENDPOINT], now=stores.clock.now()) is None
        assert await store.throttles.take(APP, [ENDPOINT], now=stores.clock.now()) is not None
    await other.close()


async def test_who_comes_next_can_be_told_without_taking_a_turn(stores: Stores) -> None:
    """Lines keep their order, and one where nobody waits says the present."""
    for _ in range(3):
        await stores.throttles.take(APP, [ENDPOINT], now=NOON)

    for _ in range(2):
        found = await stores.throttles.next_turns(APP, [APPLICATION, ENDPOINT], now=NOON)
        assert list(found) == [NOON, NOON + 3 * SECOND]
    later = NOON + 9 * SECOND
    assert list(await stores.throttles.next_turns(APP, [ENDPOINT], now=later)) == [later]


async def test_a_store_that_is_closed_gives_no_turn(stores: Stores) -> None:
    await stores.close()
    with pytest.raises(Unavailable):
        await stores.throttles.take(APP, [ENDPOINT], now=NOON)
