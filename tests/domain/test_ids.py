"""Ids say when a thing was made and sort as time does; lists and their iterators stand on that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain import ids

VECTOR_AT = datetime.fromtimestamp(1_621_627_443, UTC) + timedelta(milliseconds=123)
LAST = ids.EPOCH + timedelta(seconds=2**32) - timedelta(microseconds=1)

instants = st.integers(0, 2**32 * 1_000_000 - 1).map(lambda age: ids.EPOCH + timedelta(microseconds=age))
dice = st.binary(min_size=ids.DICE_BYTES, max_size=ids.DICE_BYTES)


def tick_of(at: datetime) -> int:
    return (at - ids.EPOCH) // ids.TICK


def test_the_known_ids_come_out_to_the_letter() -> None:
    assert ids.start_id("", VECTOR_AT) == "1srOrr5WjKyYWLajIlnglfBaJQu"
    assert ids.end_id("", VECTOR_AT) == "1srOrr7PirTrUupBL87Uw1gN3NP"
    assert ids.new_id("", VECTOR_AT, bytes(15)) == ids.start_id("", VECTOR_AT)
    assert ids.new_id("", VECTOR_AT, b"\xff" * 15) == ids.end_id("", VECTOR_AT)


def test_the_known_id_names_its_instant() -> None:
    expected = datetime.fromtimestamp(1_621_627_443, UTC) + timedelta(milliseconds=900)

    assert ids.instant_of("1srOrx2ZWZBpBUvZwXKQmoEYga2") == expected
    assert ids.instant_of("msg_1srOrx2ZWZBpBUvZwXKQmoEYga2") == expected


def test_the_first_and_the_last_instant_fit() -> None:
    assert ids.start_id("", ids.EPOCH) == "0" * 27
    assert ids.instant_of("0" * 27) == ids.EPOCH
    assert LAST - ids.instant_of(ids.end_id("", LAST)) < ids.TICK


@pytest.mark.parametrize(
    "prefix", [ids.APPLICATION, ids.ENDPOINT, ids.MESSAGE, ids.ATTEMPT, ids.ORGANIZATION]
)
def test_an_id_is_its_prefix_and_27_digits_and_letters(prefix: str) -> None:
    made = ids.new_id(prefix, VECTOR_AT, bytes(range(15)))

    assert made.startswith(prefix)
    assert len(made) == len(prefix) + 27
    assert made.removeprefix(prefix).isalnum()


@settings(deadline=None)
@given(instants, dice)
def test_an_id_gives_its_instant_back_to_four_milliseconds(at: datetime, chance: bytes) -> None:
    """The page before or after an id is found from the id alone."""
    read = ids.instant_of(ids.new_id(ids.MESSAGE, at, chance))

    assert timedelta(0) <= at - read < ids.TICK
    assert tick_of(read) == tick_of(at)


@settings(deadline=None)
@given(instants, instants, dice, dice)
def test_ids_of_different_ticks_sort_as_their_instants_do(
    one: datetime, two: datetime, chance: bytes, other: bytes
) -> None:
    """A store orders a list by comparing bytes and needs no timestamp."""
    if tick_of(one) != tick_of(two):
        first, second = ids.new_id("msg_", one, chance), ids.new_id("msg_", two, other)

        assert (first.encode() < second.encode()) == (one < two)


@settings(deadline=None)
@given(instants, dice, dice)
def test_ids_of_one_tick_sort_as_their_dice_do(at: datetime, chance: bytes, other: bytes) -> None:
    first, second = ids.new_id("msg_", at, chance), ids.new_id("msg_", at, other)

    assert (first < second) == (chance < other)
    assert (first == second) == (chance == other)


@settings(deadline=None)
@given(instants, dice)
def test_the_bounds_of_a_tick_enclose_its_ids_and_no_neighbours(at: datetime, chance: bytes) -> None:
    """`before` and `after` of a list mean what they say, to the tick."""
    made = ids.new_id("atmpt_", at, chance)

    assert ids.start_id("atmpt_", at) <= made <= ids.end_id("atmpt_", at)
    if at + ids.TICK <= LAST:
        assert ids.end_id("atmpt_", at) < ids.start_id("atmpt_", at + ids.TICK)


@pytest.mark.parametrize("at", [ids.EPOCH - timedelta(microseconds=1), LAST + timedelta(microseconds=1)])
def test_an_instant_that_ids_cannot_hold_is_refused(at: datetime) -> None:
    for make in (ids.start_id, ids.end_id, lambda prefix, at: ids.new_id(prefix, at, bytes(15))):
        with pytest.raises(ValueError, match="ids hold instants from 2014"):
            make("msg_", at)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), ids.EPOCH),
        (datetime.max.replace(tzinfo=UTC), LAST),
        (VECTOR_AT, VECTOR_AT),
    ],
)
def test_a_bound_out_of_range_is_brought_to_the_nearest_instant(at: datetime, expected: datetime) -> None:
    """A client that asks for everything since 1970 gets everything."""
    assert ids.clamp(at) == expected
    assert ids.start_id("msg_", ids.clamp(at)) <= ids.end_id("msg_", ids.clamp(at))


@pytest.mark.parametrize("count", [0, 14, 16])
def test_too_little_or_too_much_chance_is_refused(count: int) -> None:
    """An id with less chance in it could be guessed, or meet its double."""
    with pytest.raises(ValueError, match=f"15 bytes of chance, not {count}"):
        ids.new_id("msg_", VECTOR_AT, bytes(count))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "27 digits and letters"),
        ("msg_", "27 digits and letters"),
        ("msg_1srOrx2ZWZBpBUvZwXKQmoEYga", "27 digits and letters"),
        ("msg_1srOrx2ZWZBpBUvZwXKQmoEYga22", "27 digits and letters"),
        ("msg_1srOrx2ZWZBpBUvZwXKQmoEYg-2", "instead of '-'"),
        ("msg_1srOrx2ZWZBpBUvZwXKQmoEYgä2", "instead of 'ä'"),
        ("msg_" + "z" * 27, "the greatest ends with aWgEPTl1tmebfsQzFP4bxwgy80V"),
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(text: str, why: str) -> None:
    """A damaged iterator answers 422, it does not break the list."""
    with pytest.raises(ValueError, match=why):
        ids.instant_of(text)


@settings(deadline=None)
@given(st.text())
def test_no_text_breaks_the_reading_of_ids(text: str) -> None:
    try:
        assert ids.instant_of(text) >= ids.EPOCH
    except ValueError as refusal:
        assert "is not an id" in str(refusal)  # noqa: PT017 (either way is right; a wrong way is the test)


def test_the_greatest_id_is_still_read() -> None:
    assert ids.instant_of("aWgEPTl1tmebfsQzFP4bxwgy80V") > LAST - timedelta(seconds=1)


ONCE = st.none() | st.binary(min_size=1, max_size=64)


@given(made_of=dice, once=ONCE)
def test_a_messages_id_says_its_shard(made_of: bytes, once: bytes | None) -> None:
    """Of all else that it says nothing is changed."""
    message_id = ids.new_message_id(VECTOR_AT, made_of, once)
    plain = ids.new_id(ids.MESSAGE, VECTOR_AT, made_of)

    assert ids.shard_of(message_id) == (made_of[-1] % ids.SHARDS if once is None else ids.shard_for(once))
    assert message_id[:-3] == plain[:-3]
    assert ids.instant_of(message_id) == ids.instant_of(plain)


@given(text=st.text())
def test_any_text_is_in_some_shard(text: str) -> None:
    """Clients ask for ids that there never were."""
    assert ids.shard_of(text) in range(ids.SHARDS)


def test_event_ids_spread_over_all_shards() -> None:
    shards = [ids.shard_for(f"invoice-{number}".encode()) for number in range(8_000)]

    assert all(800 < shards.count(shard) < 1_200 for shard in range(ids.SHARDS))
