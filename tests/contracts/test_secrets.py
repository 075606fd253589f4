"""What `shared.ports.secrets` promises."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.sealing import AesSecrets
from shared.domain.errors import Unavailable
from shared.ports.secrets import Secrets
from tests.contracts.adapters import SECRETS, MakeSecrets

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Make = Callable[[bytes], Awaitable[Secrets]]


@pytest.fixture(params=SECRETS)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    making: MakeSecrets = request.param
    async with AsyncExitStack() as made:

        async def make(key: bytes) -> Secrets:
            return await made.enter_async_context(making(key, tmp_path))

        yield make


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(texts=st.lists(st.text(), max_size=20))
async def test_what_was_sealed_is_opened_in_a_later_process_too(make: Make, texts: list[str]) -> None:
    now, later = await make(KEY), await make(KEY)

    sealed = [await now.seal(text) for text in texts]

    assert [await later.open(one) for one in sealed] == texts


async def test_nothing_of_the_text_can_be_read_in_what_is_sealed(make: Make) -> None:
    """A copy of the database signs nothing."""
    sealed = await (await make(KEY)).seal(SECRET)

    assert SECRET[6:].encode() not in sealed


async def test_sealing_twice_gives_different_results(make: Make) -> None:
    """Nobody sees which endpoints share a key."""
    secrets = await make(KEY)

    assert await secrets.seal(SECRET) != await secrets.seal(SECRET)


async def test_every_changed_byte_is_an_error(make: Make) -> None:
    """Another text would sign with a key that no receiver has."""
    secrets = await make(KEY)
    sealed = await secrets.seal(SECRET)

    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(Unavailable):
            await secrets.open(bytes(damaged))


async def test_what_was_cut_off_is_an_error(make: Make) -> None:
    secrets = await make(KEY)
    sealed = await secrets.seal(SECRET)

    for length in range(len(sealed)):
        with pytest.raises(Unavailable):
            await secrets.open(sealed[:length])


async def test_another_key_opens_nothing(make: Make) -> None:
    sealed = await (await make(KEY)).seal(SECRET)

    with pytest.raises(Unavailable):
        await (await make(OTHER_KEY)).open(sealed)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AesSecrets(b"short")
