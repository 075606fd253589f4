"""Asking a running service, for the commands."""

import pytest

from functions.api.dead_letters import DeadLettersOut
from infra.local.asking import NoAnswer, ask, where
from infra.local.cli import DEFAULT_ORGANIZATION
from shared.config import Settings


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1", "https://", "127.0.0.1:8071"])
def test_what_is_no_url_of_a_service_is_told_so(url: str) -> None:
    with pytest.raises(NoAnswer, match="no URL of a service"):
        ask(url, DEFAULT_ORGANIZATION, "GET /diagnostics/dead-letters", DeadLettersOut)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8071"),
        ("0.0.0.0", "http://127.0.0.1:8071"),  # noqa: S104  nothing listens
        ("::", "http://[::1]:8071"),
        ("heliograph.example", "http://heliograph.example:8071"),
    ],
)
def test_a_service_on_every_address_is_asked_at_the_loopback(host: str, url: str) -> None:
    env = {
        "HELIOGRAPH_HOST": host,
        "HELIOGRAPH_JWT_SECRET": "x" * 32,
        "HELIOGRAPH_ENCRYPTION_KEY": "A" * 43 + "=",
    }

    assert where(Settings.read(env)) == url
