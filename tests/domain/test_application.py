"""Portal tokens that are ended before their time."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.application import Application, TokenEnd, is_ended, with_tokens_ended
from tests.clock import NOON
from tests.makers import an_application

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def ended(
    application: Application, at: datetime, made_at: datetime | None = NOON, session_id: str | None = None
) -> bool:
    return is_ended(application, session_id, made_at, at)


def test_a_token_is_good_unless_it_was_ended() -> None:
    assert not ended(an_application(), NOON)


@pytest.mark.parametrize("made_at", [None, NOON - HOUR, NOON])
def test_tokens_of_then_end_after_the_grace(made_at: datetime | None) -> None:
    application = with_tokens_ended(an_application(), [None], HOUR, NOON)
    for session_id in (None, "s"):
        assert not ended(application, NOON + HOUR - TICK, made_at, session_id)
        assert ended(application, NOON + HOUR, made_at, session_id)


def test_a_token_that_is_made_after_that_is_good() -> None:
    """Whoever ends all tokens and makes a new one at once can use it."""
    application = with_tokens_ended(an_application(), [None], timedelta(0), NOON)
    assert ended(application, NOON)
    assert not ended(application, NOON + HOUR, NOON + TICK)


def test_only_tokens_of_the_named_sessions_end() -> None:
    application = with_tokens_ended(an_application(), ["a", "b"], timedelta(0), NOON)
    assert [ended(application, NOON, NOON, session) for session in ("a", "b", "c", None)] == [
        True,
        True,
        False,
        False,
    ]


def test_ends_that_say_nothing_more_are_forgotten() -> None:
    """Whoever ends all tokens every night does not make the application grow."""
    application = an_application()
    for day in range(9):
        application = with_tokens_ended(application, ["s", None], timedelta(0), NOON + timedelta(days=day))
    last = NOON + timedelta(days=8)
    assert application.token_ends == (TokenEnd("s", last, last), TokenEnd(None, last, last))


calls = st.lists(
    st.tuples(st.sampled_from([None, "a", "b"]), st.integers(0, 5), st.integers(0, 5)), max_size=6
)


@given(calls, st.sampled_from([None, "a", "b"]), st.integers(0, 30), st.integers(0, 30))
def test_forgetting_an_end_never_brings_a_token_back(
    calls: list[tuple[str | None, int, int]], session_id: str | None, made: int, later: int
) -> None:
    application, at, every = an_application(), NOON, list[TokenEnd]()
    for session, pause, grace in calls:
        at += pause * HOUR
        application = with_tokens_ended(application, [session], grace * HOUR, at)
        every.append(TokenEnd(session, at, at + grace * HOUR))
    made_at = NOON + made * HOUR
    asked_at = max(made_at, at) + later * HOUR

    expected = any(
        end.session_id in (None, session_id) and made_at <= end.made_until and end.ends_at <= asked_at
        for end in every
    )

    assert ended(application, asked_at, made_at, session_id) == expected
