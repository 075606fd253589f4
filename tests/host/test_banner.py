"""What a started service says: every line must work when it is pasted."""

import base64

from infra.local.banner import Banner, is_private
from shared.config import Settings


def _banner(*, token: str | None = "eyJ", is_coloured: bool = False, **settings: str) -> Banner:
    env = {f"HELIOGRAPH_{name}": text for name, text in settings.items()}
    secrets = {
        "HELIOGRAPH_JWT_SECRET": "x",
        "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode(),
    }
    return Banner("0.1.0", Settings.read(secrets | env), 8071, token, is_coloured)


def test_it_says_where_it_is_and_how_to_post() -> None:
    assert str(_banner(ALLOW_SUBNETS="127.0.0.1/32,::1/128")) == (
        "\n"
        "Heliograph 0.1.0 is listening on http://127.0.0.1:8071\n"
        "\n"
        "  docs      http://127.0.0.1:8071/docs\n"
        "  database  .heliograph/heliograph.db\n"
        "  calls     public addresses, and also 127.0.0.1/32, ::1/128\n"
        "  token     eyJ\n"
        "\n"
        'Post a message. The first one makes the application "demo":\n'
        "curl -sSw '\\n' http://127.0.0.1:8071/api/v1/app/demo/msg "
        '-H "Authorization: Bearer eyJ" -d \'{"eventType":"order.created","payload":{"id":1},'
        '"application":{"name":"Demo","uid":"demo"}}\'\n'
        "\n"
        "Have messages delivered to a receiver of yours on port 9000, then post again:\n"
        "curl -sSw '\\n' http://127.0.0.1:8071/api/v1/app/demo/endpoint "
        '-H "Authorization: Bearer eyJ" -d \'{"url":"http://127.0.0.1:9000/"}\'\n'
    )


def test_it_offers_no_receiver_that_may_not_be_called() -> None:
    """By itself the service calls no private address; a line that cannot work would puzzle people."""
    text = str(_banner())

    assert "  calls     public addresses only\n" in text
    assert "start with this setting:\n  HELIOGRAPH_ALLOW_SUBNETS=127.0.0.1/32,::1/128\n" in text
    assert "/endpoint" not in text


def test_a_service_that_listens_everywhere_is_reached_on_this_machine() -> None:
    assert _banner(HOST="0.0.0.0").url == "http://127.0.0.1:8071"  # noqa: S104
    assert _banner(HOST="::").url == "http://[::1]:8071"


def test_without_a_private_key_it_says_where_tokens_come_from() -> None:
    text = str(_banner(token=None))

    assert (
        "  token     made elsewhere, for HELIOGRAPH_JWT_SECRET is a public key; put it into TOKEN\n" in text
    )
    assert '-H "Authorization: Bearer $TOKEN"' in text


def test_a_service_for_other_machines_shows_no_token() -> None:
    """There the output ends in logs that many may read, and a token is good for ten years."""
    banner = _banner(token=None, HOST="0.0.0.0")  # noqa: S104

    assert not is_private(banner.settings)
    assert "TOKEN=$(heliograph token)\n" in str(banner)


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" not in str(_banner())
    assert "\x1b[1mHeliograph 0.1.0" in str(_banner(is_coloured=True))
