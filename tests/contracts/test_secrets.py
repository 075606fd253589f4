"""What `shared.ports.secrets` promises."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import Unavailable
from shared.ports.secrets import Secrets
from tests.contracts.adapters import SECRETS

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Make = Callable[[bytes], Secrets]


@pytest.fixture(params=SECRETS)
def make(request: pytest.FixtureRequest) -> Make:
    make: Make = request.param
    return make


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
async def test_what_was_sealed_is_opened_in_a_later_process_too(make: Make, text: str) -> None:
    sealed = await make(KEY).seal(text)

    assert await make(KEY).open(sealed) == text


async def test_nothing_of_the_text_can_be_read_in_what_is_sealed(make: Make) -> None:
    """A copy of the database signs nothing."""
    sealed = await make(KEY).seal(SECRET)

    assert SECRET[6:].encode() not in sealed


async def test_sealing_twice_gives_different_results(make: Make) -> None:
    """Nobody sees which endpoints share a key."""
    secrets = make(KEY)

    assert await secrets.seal(SECRET) != await secrets.seal(SECRET)


async def test_every_changed_byte_is_an_error(make: Make) -> None:
    """Another text would sign with a key that no receiver has."""
    secrets = make(KEY)
    sealed = await secrets.seal(SECRET)

    for place in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(Unavailable):
            await secrets.open(bytes(damaged))


@pytest.mark.parametrize("length", range(40))
async def test_what_was_cut_off_is_an_error(make: Make, length: int) -> None:
    secrets = make(KEY)
    sealed = await secrets.seal(SECRET)

    with pytest.raises(Unavailable):
        await secrets.open(sealed[:length])


async def test_another_key_opens_nothing(make: Make) -> None:
    sealed = await make(KEY).seal(SECRET)

    with pytest.raises(Unavailable):
        await make(OTHER_KEY).open(sealed)


def test_a_key_of_another_length_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make(b"short")
