"""What becomes of an endpoint that is changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.endpoint import (
    OLD_KEYS_MAX,
    Endpoint,
    EndpointEdit,
    NewEndpoint,
    SealedKey,
    edited,
    rotated,
    with_headers,
)
from shared.domain.errors import TooManyKeys
from tests.clock import NOON
from tests.makers import an_endpoint

LATER = NOON + timedelta(minutes=1)
HOUR = timedelta(hours=1)


def sealed(endpoint: Endpoint) -> list[bytes]:
    return [key.sealed for key in endpoint.keys]


def test_an_edit_about_nothing_changes_only_the_date() -> None:
    before = an_endpoint(uid="main", failing_since=NOON)
    assert edited(before, EndpointEdit(), LATER) == replace(before, updated_at=LATER)


def test_an_edit_about_everything_leaves_keys_and_headers() -> None:
    before = an_endpoint(uid="main", headers={"X-A": "1"}, channels=frozenset({"eu"}), version=7)
    new = NewEndpoint("https://new.example/", "new", secret="whsec_", headers={"X-B": "2"})

    after = edited(before, EndpointEdit.to_become(new), LATER)

    assert after == replace(
        before,
        url="https://new.example/",
        description="new",
        uid=None,
        channels=None,
        version=1,
        metadata={},
        updated_at=LATER,
    )


@pytest.mark.parametrize(("before", "after", "cleared"), [(1, 0, True), (0, 0, False), (1, 1, False)])
def test_the_marks_of_failure_go_when_an_endpoint_is_enabled_again(
    before: int, after: int, *, cleared: bool
) -> None:
    endpoint = an_endpoint(disabled=bool(before), failing_since=NOON, switched_off_at=NOON)
    changed = edited(endpoint, EndpointEdit(disabled=bool(after)), LATER)
    assert (changed.failing_since, changed.switched_off_at) == ((None, None) if cleared else (NOON, NOON))


def test_a_rotated_key_signs_beside_the_new_one_until_its_end() -> None:
    once = rotated(an_endpoint(keys=[SealedKey(b"1", None)]), b"2", HOUR, NOON)
    twice = rotated(once, b"3", 2 * HOUR, LATER)

    assert once.keys == (SealedKey(b"2", None), SealedKey(b"1", NOON + HOUR))
    assert twice.keys == (
        SealedKey(b"3", None),
        SealedKey(b"2", LATER + 2 * HOUR),
        SealedKey(b"1", NOON + HOUR),
    )
    assert twice.updated_at == LATER


def test_without_grace_the_old_key_signs_nothing_more() -> None:
    once = rotated(an_endpoint(keys=[SealedKey(b"1", None)]), b"2", HOUR, NOON)
    assert sealed(rotated(once, b"3", timedelta(0), LATER)) == [b"3", b"1"]


def test_keys_that_have_ended_are_forgotten() -> None:
    once = rotated(an_endpoint(keys=[SealedKey(b"1", None)]), b"2", HOUR, NOON)
    assert sealed(rotated(once, b"3", HOUR, NOON + HOUR)) == [b"3", b"2"]


def test_ten_old_keys_are_enough() -> None:
    """Every one of them makes the signature header of each delivery longer."""
    endpoint = an_endpoint(keys=[SealedKey(b"0", None)])
    for n in range(1, OLD_KEYS_MAX + 1):
        endpoint = rotated(endpoint, str(n).encode(), HOUR, NOON)

    assert len(endpoint.keys) == OLD_KEYS_MAX + 1
    with pytest.raises(TooManyKeys):
        rotated(endpoint, b"x", HOUR, LATER)
    assert sealed(rotated(endpoint, b"x", timedelta(0), LATER))[0] == b"x"
    assert sealed(rotated(endpoint, b"x", HOUR, NOON + HOUR)) == [b"x", str(OLD_KEYS_MAX).encode()]


def test_headers_are_replaced_or_changed_one_by_one() -> None:
    """Names are compared letter by letter: a receiver may want a casing, and gets that one."""
    before = an_endpoint(headers={"X-A": "1", "X-B": "2"})

    put = with_headers(before, {"X-C": "3"}, LATER, keep=False)
    patched = with_headers(before, {"X-B": None, "x-a": "4", "X-None": None}, LATER, keep=True)

    assert put == replace(before, headers={"X-C": "3"}, updated_at=LATER)
    assert patched.headers == {"X-A": "1", "x-a": "4"}
