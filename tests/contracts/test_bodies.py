"""Large bodies: what every sentence of `shared.ports.bodies` promises, in memory and in Blob Storage."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from azure.storage.blob.aio import ContainerClient

from shared.adapters.blob.bodies import CONTAINER, REMOVED_AT_ONCE, BlobBodies
from shared.domain.errors import Unavailable
from shared.ports.bodies import Bodies
from tests.bodies import BodiesInMemory
from tests.clock import NOON
from tests.emulators.azurite.emulator import Azurite
from tests.tools import check_azurite

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    check_azurite()
    with Azurite() as running:
        yield running


@pytest.fixture
async def blobs(azurite: Azurite) -> AsyncIterator[BlobBodies]:
    """A container of its own is empty."""
    async with ContainerClient(azurite.endpoint, CONTAINER, azurite.key) as container:
        await container.create_container()
        bodies = BlobBodies(azurite.endpoint, azurite.key)
        yield bodies
        await bodies.close()
        await container.delete_container()


@pytest.fixture
def in_memory() -> BodiesInMemory:
    return BodiesInMemory()


@pytest.fixture(params=["in_memory", "blobs"])
def bodies(request: pytest.FixtureRequest) -> Bodies:
    made: Bodies = request.getfixturevalue(request.param)
    return made


async def test_a_body_is_read_as_it_was_kept(bodies: Bodies) -> None:
    body = bytes(range(256)) * 1024
    place = await bodies.keep("msg_1", body, expires_at=NOON)
    assert await bodies.read(place) == body


async def test_a_second_body_of_the_same_owner_and_end_takes_the_place_of_the_first(bodies: Bodies) -> None:
    first = await bodies.keep("msg_1", b"one", expires_at=NOON)
    assert await bodies.keep("msg_1", b"another", expires_at=NOON) == first
    assert await bodies.read(first) == b"another"


async def test_bodies_of_other_owners_and_ends_are_left_alone(bodies: Bodies) -> None:
    kept = [
        await bodies.keep(owner, owner.encode(), expires_at=at)
        for owner, at in [("msg_1", NOON), ("msg_2", NOON), ("msg_1x", NOON), ("msg_1", NOON + HOUR)]
    ]
    await bodies.remove(kept[0])
    assert [await bodies.read(place) for place in kept] == [None, b"msg_2", b"msg_1x", b"msg_1"]


async def test_what_was_removed_is_not_there_and_may_be_removed_again(bodies: Bodies) -> None:
    place = await bodies.keep("msg_1", b"x", expires_at=NOON)
    await bodies.remove(place)
    await bodies.remove(place)
    assert await bodies.read(place) is None


async def test_what_is_over_is_forgotten_a_few_at_a_time_and_nothing_else(bodies: Bodies) -> None:
    ends = [NOON - HOUR, NOON - HOUR / 2, NOON, NOON + timedelta(microseconds=1), NOON + HOUR]
    kept = [await bodies.keep(f"msg_{number}", b"x", expires_at=end) for number, end in enumerate(ends)]

    first = await bodies.forget(before=NOON, limit=2)
    second = await bodies.forget(before=NOON, limit=2)
    third = await bodies.forget(before=NOON, limit=2)

    assert [(one.count, one.rest is None) for one in (first, second, third)] == [
        (2, False), (1, True), (0, True),
    ]  # fmt: skip
    assert [await bodies.read(place) is None for place in kept] == [True, True, True, False, False]


async def test_no_more_are_forgotten_at_once_than_end_in_time(blobs: BlobBodies) -> None:
    many = REMOVED_AT_ONCE + 1
    for number in range(many):
        await blobs.keep(f"msg_{number}", b"x", expires_at=NOON)

    first = await blobs.forget(before=NOON, limit=1000)

    assert (first.count, first.rest is None) == (REMOVED_AT_ONCE, False)
    assert (await blobs.forget(before=NOON, limit=1000)).count == 1


async def test_out_of_reach_is_unavailable() -> None:
    bodies = BlobBodies("http://127.0.0.1:9/devstoreaccount1", "a2V5")
    with pytest.raises(Unavailable):
        await bodies.read("20261124T120000000000Z/msg_1")
    await bodies.close()


async def test_a_wrong_key_says_what_the_identity_needs(azurite: Azurite) -> None:
    bodies = BlobBodies(azurite.endpoint, "d3Jvbmc=")
    with pytest.raises(Unavailable, match="Storage Blob Data Contributor"):
        await bodies.keep("msg_1", b"x", expires_at=NOON)
    await bodies.close()


async def test_an_account_without_the_container_says_so(azurite: Azurite) -> None:
    bodies = BlobBodies(azurite.endpoint, azurite.key, container="elsewhere")
    for attempt in (bodies.read("20261124T120000000000Z/msg_1"), bodies.forget(before=NOON, limit=1)):
        with pytest.raises(Unavailable, match="create it"):
            await attempt
    await bodies.close()


async def test_after_its_end_it_is_out_of_reach() -> None:
    bodies = BlobBodies("http://127.0.0.1:9/devstoreaccount1", "a2V5")
    await bodies.close()
    with pytest.raises(Unavailable, match="closed"):
        await bodies.read("20261124T120000000000Z/msg_1")
