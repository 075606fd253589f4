"""Which endpoints a message goes to."""

from datetime import UTC, datetime

import pytest

from shared.domain.endpoint import Endpoint
from shared.domain.matching import wants

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def an_endpoint(
    *, event_types: set[str] | None = None, channels: set[str] | None = None, disabled: bool = False
) -> Endpoint:
    return Endpoint(
        id="ep_1",
        app_id="app_1",
        org_id="org_1",
        url="https://example.com/",
        description="",
        version=1,
        disabled=disabled,
        uid=None,
        throttle_rate=None,
        event_types=None if event_types is None else frozenset(event_types),
        channels=None if channels is None else frozenset(channels),
        metadata={},
        headers={},
        keys=(),
        failing_since=None,
        created_at=NOON,
        updated_at=NOON,
    )


@pytest.mark.parametrize(
    ("endpoint", "channels", "wanted"),
    [
        pytest.param(an_endpoint(), None, True, id="no filter wants everything"),
        pytest.param(an_endpoint(), {"eu"}, True, id="no channel filter wants every channel"),
        pytest.param(an_endpoint(event_types={"order.paid"}), None, True, id="its type"),
        pytest.param(an_endpoint(event_types={"order.lost"}), None, False, id="another type"),
        pytest.param(an_endpoint(channels={"eu"}), {"eu", "us"}, True, id="a shared channel"),
        pytest.param(an_endpoint(channels={"eu"}), {"us"}, False, id="no shared channel"),
        pytest.param(an_endpoint(channels={"eu"}), None, False, id="no channel at all"),
        pytest.param(
            an_endpoint(event_types={"order.lost"}, channels={"eu"}), {"eu"}, False, id="one of two"
        ),
        pytest.param(an_endpoint(disabled=True), None, False, id="disabled"),
    ],
)
def test_an_endpoint_gets_what_it_asked_for(
    endpoint: Endpoint, channels: set[str] | None, *, wanted: bool
) -> None:
    assert wants(endpoint, "order.paid", None if channels is None else frozenset(channels)) is wanted
