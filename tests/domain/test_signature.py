"""Signatures verify with the receivers' own libraries, and secrets stay secret."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from shared.domain.signature import (
    AsymmetricSecret,
    Secret,
    SignatureType,
    SymmetricSecret,
    exposed_key,
    generate_secret,
    parse_secret,
    sign,
)

SYMMETRIC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ASYMMETRIC = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP_SECONDS = 1_614_265_330
BODY = b'{"test": 2432232314}'
SYMMETRIC_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ASYMMETRIC_SIGNATURE = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)

keys = st.binary(min_size=24, max_size=75)
seeds = st.binary(min_size=32, max_size=32)
secrets = st.builds(SymmetricSecret, keys) | st.builds(AsymmetricSecret, seeds)
message_ids = st.from_regex(r"msg_[0-9A-Za-z]{27}", fullmatch=True)
timestamps = st.integers(0, 2**33)


@pytest.mark.parametrize(
    ("secret", "expected"), [(SYMMETRIC, SYMMETRIC_SIGNATURE), (ASYMMETRIC, ASYMMETRIC_SIGNATURE)]
)
def test_the_known_signatures_come_out_to_the_letter(secret: str, expected: str) -> None:
    assert sign([parse_secret(secret)], MESSAGE_ID, TIMESTAMP_SECONDS, BODY) == expected


def test_every_secret_signs_and_the_current_one_comes_first() -> None:
    """A receiver that still holds the rotated secret goes on verifying."""
    current, rotated = parse_secret(ASYMMETRIC), parse_secret(SYMMETRIC)

    signatures = sign([current, rotated], MESSAGE_ID, TIMESTAMP_SECONDS, BODY)

    assert signatures == f"{ASYMMETRIC_SIGNATURE} {SYMMETRIC_SIGNATURE}"


def test_nothing_is_sent_unsigned() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        sign([], MESSAGE_ID, TIMESTAMP_SECONDS, BODY)


@settings(deadline=None)
@given(keys, message_ids, timestamps, st.text(st.characters(exclude_categories=["Cs"])))
def test_the_receivers_library_makes_the_same_symmetric_signature(
    key: bytes, message_id: str, timestamp_seconds: int, body: str
) -> None:
    """`standardwebhooks` is what receivers run; it is not our code."""
    secret = SymmetricSecret(key)

    theirs = Webhook(secret.text).sign(message_id, datetime.fromtimestamp(timestamp_seconds, UTC), body)

    assert sign([secret], message_id, timestamp_seconds, body.encode()) == theirs


def test_the_receivers_library_verifies_a_rotation_with_either_secret() -> None:
    """It refuses messages older than five minutes, so this one alone looks at the real clock."""
    now_seconds = int(datetime.now(UTC).timestamp())  # noqa: TID251 (the library compares with it)
    current, rotated = SymmetricSecret(b"n" * 24), SymmetricSecret(b"o" * 24)
    headers = {
        "webhook-id": MESSAGE_ID,
        "webhook-timestamp": str(now_seconds),
        "webhook-signature": sign([current, rotated], MESSAGE_ID, now_seconds, BODY),
    }

    for secret in (current, rotated):
        assert Webhook(secret.text).verify(BODY, headers) == {"test": 2432232314}


@settings(deadline=None)
@given(seeds, message_ids, timestamps, st.binary())
def test_the_public_key_verifies_an_asymmetric_signature(
    seed: bytes, message_id: str, timestamp_seconds: int, body: bytes
) -> None:
    secret = AsymmetricSecret(seed)
    public_key = Ed25519PublicKey.from_public_bytes(b64decode(exposed_key(secret).removeprefix("whpk_")))

    version, _, encoded = sign([secret], message_id, timestamp_seconds, body).partition(",")

    assert version == "v1a"
    content = f"{message_id}.{timestamp_seconds}.".encode() + body
    public_key.verify(b64decode(encoded), content)
    with pytest.raises(InvalidSignature):
        public_key.verify(b64decode(encoded), content + b" ")


@settings(deadline=None)
@given(secrets)
def test_a_secret_reads_back_from_its_text(secret: Secret) -> None:
    """What the API shows can be given to another endpoint."""
    again = parse_secret(secret.text)

    assert again == secret
    assert again.text == secret.text
    assert sign([again], MESSAGE_ID, 1, BODY) == sign([secret], MESSAGE_ID, 1, BODY)


@pytest.mark.parametrize("text", [SYMMETRIC, ASYMMETRIC])
def test_a_given_secret_is_kept_as_it_was_written(text: str) -> None:
    assert parse_secret(text).text == text


def test_a_receiver_is_shown_the_shared_secret_or_the_public_key_only() -> None:
    assert exposed_key(parse_secret(SYMMETRIC)) == SYMMETRIC
    assert exposed_key(parse_secret(ASYMMETRIC)) == PUBLIC


@pytest.mark.parametrize("length", [24, 75])
def test_the_shortest_and_the_longest_key_are_taken(length: int) -> None:
    assert parse_secret("whsec_" + b64encode(bytes(length)).decode()) == SymmetricSecret(bytes(length))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with its kind"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with its kind"),
        ("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with its kind"),
        (PUBLIC, "a public key cannot sign"),
        ("whsec_", "0 bytes"),
        ("whsec_" + b64encode(bytes(23)).decode(), "23 bytes"),
        ("whsec_" + b64encode(bytes(76)).decode(), "76 bytes"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "not standard base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\n", "not standard base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La-_Sw", "not standard base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSä", "not standard base64"),
        ("whsec_" + b64encode(bytes(25)).decode().replace("A==", "B=="), "not standard base64"),
        ("whsec_" + b64encode(bytes(25)).decode().rstrip("="), "not standard base64"),
        ("whsk_", "seed of 0 bytes"),
        ("whsk_" + b64encode(bytes(31)).decode(), "seed of 31 bytes"),
        ("whsk_" + b64encode(bytes(32)).decode(), "does not belong to the seed"),
        ("whsk_" + b64encode(bytes(64)).decode(), "does not belong to the seed"),
        (ASYMMETRIC.replace("6Xb", "7Xb"), "does not belong to the seed"),
        ("whsk_" + b64encode(b64decode(ASYMMETRIC.removeprefix("whsk_")) + b"x").decode(), "does not belong"),
    ],
)
def test_a_wrong_secret_is_refused_and_told_what_to_write(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        parse_secret(text)

    assert "write whsec_ and the base64 of 24 to 75 bytes" in str(refusal.value)


@settings(deadline=None)
@given(st.sampled_from(["whsec_", "whsk_"]), st.text("0123456789+/=é", min_size=8))
def test_a_refusal_never_repeats_the_secret(prefix: str, rest: str) -> None:
    """A mistyped secret must not end up in an answer or a log."""
    with pytest.raises(ValueError, match="write whsec_") as refusal:
        parse_secret(prefix + rest + "!")

    assert rest not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@settings(deadline=None)
@given(secrets)
def test_a_secret_never_shows_itself_when_printed(secret: Secret) -> None:
    """Secrets travel through logs and tracebacks inside larger values."""
    raw = secret.key if isinstance(secret, SymmetricSecret) else secret.seed
    for shown in (repr(secret), str(secret), f"{[secret]}"):
        assert repr(raw) not in shown
        assert b64encode(raw).decode().rstrip("=") not in shown
        assert raw.hex() not in shown


@pytest.mark.parametrize(
    ("kind", "prefix", "dice_bytes"),
    [(SignatureType.HMAC256, "whsec_", 24), (SignatureType.ED25519, "whsk_", 32)],
)
def test_a_generated_secret_is_made_of_its_dice(kind: SignatureType, prefix: str, dice_bytes: int) -> None:
    dice = bytes(range(dice_bytes))

    secret = generate_secret(kind, dice)

    assert kind.dice_bytes == dice_bytes
    assert secret.text.startswith(prefix + b64encode(dice).decode()[:32])
    assert parse_secret(secret.text) == secret


@pytest.mark.parametrize("kind", SignatureType)
@pytest.mark.parametrize("change", [-1, 1])
def test_too_little_or_too_much_chance_makes_no_secret(kind: SignatureType, change: int) -> None:
    with pytest.raises(ValueError, match="bytes of chance"):
        generate_secret(kind, bytes(kind.dice_bytes + change))


@pytest.mark.parametrize(
    ("name", "kind"), [("hmac256", SignatureType.HMAC256), ("ed25519", SignatureType.ED25519)]
)
def test_a_signature_type_has_its_name_in_settings(name: str, kind: SignatureType) -> None:
    assert SignatureType(name) is kind
