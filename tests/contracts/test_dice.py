"""What `shared.ports.dice` promises."""

import pytest

from shared.ports.dice import Dice
from tests.contracts.adapters import DICE


@pytest.fixture(params=DICE)
def dice(request: pytest.FixtureRequest) -> Dice:
    dice: Dice = request.param()
    return dice


def test_a_share_lies_in_its_interval_and_varies(dice: Dice) -> None:
    shares = [dice.share() for _ in range(1_000)]

    assert all(0 <= share < 1 for share in shares)
    assert len(set(shares)) > 900


@pytest.mark.parametrize("count", [0, 1, 15, 32])
def test_as_many_octets_fall_as_asked_for(dice: Dice, count: int) -> None:
    assert len(dice.octets(count)) == count


def test_octets_do_not_repeat(dice: Dice) -> None:
    """Two messages with one id would be one message."""
    assert len({dice.octets(15) for _ in range(1_000)}) == 1_000
