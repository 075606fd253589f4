"""Which retries are still to be made."""

from datetime import timedelta

import pytest

from shared.domain.attempt import Attempt, Trigger
from shared.domain.chain import Standing, pending_at, standing
from tests.clock import NOON
from tests.makers import a_failed_attempt, an_attempt

LATER = NOON + timedelta(seconds=5)
FIRST = a_failed_attempt()
SECOND = a_failed_attempt(number=2, next_attempt_at=LATER)
LAST = a_failed_attempt(number=2, next_attempt_at=None)
BY_HAND = a_failed_attempt(number=0, trigger=Trigger.MANUAL, next_attempt_at=None)
DELIVERED_BY_HAND = an_attempt(number=0, trigger=Trigger.MANUAL)


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        pytest.param([FIRST], Standing.DUE, id="the first has failed"),
        pytest.param([FIRST, BY_HAND], Standing.DUE, id="and one by hand, too"),
        pytest.param([], Standing.DUE, id="nothing is recorded, so nothing is known against it"),
        pytest.param([FIRST, SECOND], Standing.DONE, id="it was made already"),
        pytest.param([FIRST, SECOND, DELIVERED_BY_HAND], Standing.DONE, id="and is not ended by a repeat"),
        pytest.param([FIRST, DELIVERED_BY_HAND], Standing.OVER, id="one by hand has delivered it"),
        pytest.param([DELIVERED_BY_HAND, FIRST], Standing.OVER, id="also while the first was under way"),
        pytest.param(
            [a_failed_attempt(next_attempt_at=None)], Standing.OVER, id="somebody has ended the chain"
        ),
    ],
)
def test_a_retry_is_made_unless_the_message_has_arrived(attempts: list[Attempt], expected: Standing) -> None:
    assert standing(attempts, 2) is expected


def test_a_retry_is_pending_while_one_is_announced_and_nothing_has_arrived() -> None:
    assert pending_at([]) is None
    assert pending_at([FIRST, SECOND, BY_HAND]) == LATER
    assert pending_at([FIRST, LAST]) is None
    assert pending_at([FIRST, DELIVERED_BY_HAND]) is None
