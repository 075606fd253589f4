"""Settings: what is read, and what a wrong one says."""

import base64
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shared.config import (
    NAMES,
    PLATFORM_NAMES,
    JwtAlgorithm,
    Resource,
    Settings,
    Telemetry,
)
from shared.config.azure import Identity
from shared.config.reader import WrongSettings
from shared.domain.policy import STANDARD_HEADERS, SVIX_HEADERS
from shared.domain.retry import DEFAULT_SCHEDULE
from shared.domain.signature import SignatureType

KEY = bytes(range(32))
REQUIRED = {"HELIOGRAPH_JWT_SECRET": "x", "HELIOGRAPH_ENCRYPTION_KEY": base64.b64encode(KEY).decode()}


def _pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ED25519 = Ed25519PrivateKey.from_private_bytes(KEY)
RSA = generate_private_key(public_exponent=65537, key_size=2048)
ED25519_PRIVATE = _pem(ED25519)
ED25519_PUBLIC = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
RSA_PRIVATE = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
RSA_PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _read(**env: str) -> Settings:
    return Settings.read(REQUIRED | {f"HELIOGRAPH_{name}": text for name, text in env.items()})


def _complaint(**env: str) -> str:
    with pytest.raises(WrongSettings) as complained:
        _read(**env)
    return str(complained.value)


def test_only_two_secrets_must_be_set() -> None:
    assert Settings.read(REQUIRED) == Settings(
        jwt_secret="x",
        jwt_algorithm=JwtAlgorithm.HS256,
        database=Path(".heliograph/heliograph.db"),
        host="127.0.0.1",
        port=8071,
        retry_schedule=DEFAULT_SCHEDULE,
        request_timeout=timedelta(seconds=30),
        endpoint_failure_disable_after=timedelta(hours=120),
        signature_type=SignatureType.HMAC256,
        signature_headers=STANDARD_HEADERS,
        endpoint_https_only=False,
        allow_subnets=(),
        encryption_key=KEY,
        message_retention=timedelta(days=365),
        attempt_retention=timedelta(days=90),
        task_retention=timedelta(days=90),
        telemetry=frozenset({Telemetry.LINES}),
        telemetry_share=1.0,
        application_insights=None,
        application_insights_signs_in=False,
        azure=None,
        identity=Identity(None),
    )


def test_every_setting_is_read() -> None:
    settings = _read(
        JWT_SECRET=" kept as it is ",
        JWT_ALGORITHM="hs512",
        DATABASE="/srv/heliograph.db",
        HOST="::1",
        PORT="0",
        RETRY_SCHEDULE="1ms, 2s",
        REQUEST_TIMEOUT="250ms",
        ENDPOINT_FAILURE_DISABLE_AFTER="5d",
        SIGNATURE_TYPE="ed25519",
        SIGNATURE_HEADERS="svix",
        ENDPOINT_HTTPS_ONLY="True",
        ALLOW_SUBNETS="127.0.0.1/32, ::1/128,10.0.0.0/8,192.168.0.1",
        MESSAGE_RETENTION="91d",
        ATTEMPT_RETENTION="36h",
        TASK_RETENTION="1d",
        TELEMETRY=" Lines",
        TELEMETRY_SHARE="5%",
    )

    assert settings == Settings(
        jwt_secret=" kept as it is ",
        jwt_algorithm=JwtAlgorithm.HS512,
        database=Path("/srv/heliograph.db"),
        host="::1",
        port=0,
        retry_schedule=(timedelta(milliseconds=1), timedelta(seconds=2)),
        request_timeout=timedelta(milliseconds=250),
        endpoint_failure_disable_after=timedelta(days=5),
        signature_type=SignatureType.ED25519,
        signature_headers=SVIX_HEADERS,
        endpoint_https_only=True,
        allow_subnets=tuple(
            ip_network(subnet) for subnet in ("127.0.0.1/32", "::1/128", "10.0.0.0/8", "192.168.0.1/32")
        ),
        encryption_key=KEY,
        message_retention=timedelta(days=91),
        attempt_retention=timedelta(hours=36),
        task_retention=timedelta(days=1),
        telemetry=frozenset({Telemetry.LINES}),
        telemetry_share=0.05,
        application_insights=None,
        application_insights_signs_in=False,
        azure=None,
        identity=Identity(None),
    )


CONNECTION = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": (
        "InstrumentationKey=6F8C1D9A-0000-4000-8000-0123456789AB;"
        "IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;"
        "LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=1"
    )
}


def test_application_insights_is_told_when_its_resource_is_known() -> None:
    settings = Settings.read(REQUIRED | CONNECTION)

    assert settings.telemetry == {Telemetry.LINES, Telemetry.APPLICATION_INSIGHTS}
    assert settings.application_insights == Resource(
        "6f8c1d9a-0000-4000-8000-0123456789ab", "https://westeurope-5.in.applicationinsights.azure.com"
    )
    assert "6f8c1d9a" not in repr(settings)


def test_it_can_be_that_nobody_is_told() -> None:
    assert _read(TELEMETRY="None").telemetry == frozenset()


def test_it_can_be_the_only_one_that_is_told_and_be_signed_in_at() -> None:
    """On Azure lines on standard error would be told once more by the host."""
    chosen = {
        "HELIOGRAPH_TELEMETRY": "Application-Insights",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=17;Authorization=AAD",
    }

    settings = Settings.read(REQUIRED | CONNECTION | chosen)

    assert settings.telemetry == {Telemetry.APPLICATION_INSIGHTS}
    assert (settings.application_insights_signs_in, settings.identity) == (True, Identity("17"))
    own = Settings.read(REQUIRED | {"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Authorization=AAD"})
    assert (own.application_insights_signs_in, own.identity) == (True, Identity(None))


@pytest.mark.parametrize(
    "text",
    [
        "6f8c1d9a-0000-4000-8000-0123456789ab",
        "InstrumentationKey=6f8c1d9a-0000-4000-8000-0123456789ab",
        "InstrumentationKey=6f8c1d9a;IngestionEndpoint=https://x.example",
        "InstrumentationKey=6f8c1d9a-0000-4000-8000-0123456789ab;IngestionEndpoint=x.example",
        "InstrumentationKey=6f8c1d9a-0000-4000-8000-0123456789ab;IngestionEndpoint=https://x.example/v2/track",
    ],
)
def test_a_wrong_connection_string_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(WrongSettings) as complained:
        Settings.read(REQUIRED | {"APPLICATIONINSIGHTS_CONNECTION_STRING": text})

    assert "as its page in the portal shows it: InstrumentationKey=…" in str(complained.value)
    assert "6f8c1d9a" not in str(complained.value)


def test_an_empty_setting_is_a_setting_that_is_not_there() -> None:
    """Files of settings list every name, and many are left empty."""
    empty = {name: "" for name in (*NAMES, *PLATFORM_NAMES) if not name.endswith("RETRY_SCHEDULE")}

    assert Settings.read(empty | REQUIRED) == Settings.read(REQUIRED)


def test_an_empty_retry_schedule_means_no_retry() -> None:
    assert _read(RETRY_SCHEDULE="").retry_schedule == ()


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "TELEMETRY",
            "stdout",
            "'stdout'; write one or both of lines, application-insights, separated by a comma; or none",
        ),
        (
            "TELEMETRY",
            "lines,application-insights",
            "'lines,application-insights'; write lines, or set APPLICATIONINSIGHTS_CONNECTION_STRING",
        ),
        *(
            ("TELEMETRY_SHARE", share, f"'{share}'; write a share above 0 % and up to 100 %, such as 5%")
            for share in ("0%", "101%", "5", "half", "-1%", "1e1%", "٣%", ".%")
        ),
        *(
            (name, text, f"'{text}'; write a duration of at least 24h, such as 90d")
            for name in ("ATTEMPT_RETENTION", "TASK_RETENTION")
            for text in ("23h", "0s", "forever", "4000d")
        ),
        *(
            ("MESSAGE_RETENTION", text, f"'{text}'; write a duration of at least 91d, such as 365d")
            for text in ("90d", "2183h", "0s", "off", "4000d")
        ),
        ("JWT_ALGORITHM", "none", "'none'; write one of HS256, HS384, HS512, RS256, RS384, RS512, EdDSA"),
        ("PORT", "eighty", "'eighty'; write a port such as 8071, at most 65535; 0 takes any that is free"),
        ("PORT", "65536", "'65536'; write a port such as 8071, at most 65535; 0 takes any that is free"),
        ("PORT", "-1", "'-1'; write a port such as 8071, at most 65535; 0 takes any that is free"),
        ("PORT", "٣", "'٣'; write a port such as 8071, at most 65535; 0 takes any that is free"),
        (
            "RETRY_SCHEDULE",
            "5,10",
            "'5,10'; write durations separated by commas, such as 5s,5m,2h, or nothing for no retry",
        ),
        ("REQUEST_TIMEOUT", "30", "'30'; write a duration from 1ms to 30s, such as 10s"),
        ("REQUEST_TIMEOUT", "31s", "'31s'; write a duration from 1ms to 30s, such as 10s"),
        ("REQUEST_TIMEOUT", "0s", "'0s'; write a duration from 1ms to 30s, such as 10s"),
        ("ENDPOINT_FAILURE_DISABLE_AFTER", "never", "'never'; write a duration such as 120h"),
        ("SIGNATURE_TYPE", "rsa", "'rsa'; write hmac256 or ed25519"),
        ("SIGNATURE_HEADERS", "both", "'both'; write webhook or svix"),
        ("ENDPOINT_HTTPS_ONLY", "maybe", "'maybe'; write true or false"),
        (
            "ALLOW_SUBNETS",
            "localhost",
            "'localhost'; write addresses or networks separated by commas, such as 127.0.0.1/32,::1/128",
        ),
        (
            "ALLOW_SUBNETS",
            "10.1.2.3/8",
            "'10.1.2.3/8'; write 10.0.0.0/8 for the whole network, or 10.1.2.3 for the one address",
        ),
    ],
)
def test_a_wrong_setting_says_what_to_write(name: str, text: str, complaint: str) -> None:
    assert _complaint(**{name: text}) == f"HELIOGRAPH_{name} is {complaint}"


@pytest.mark.parametrize(
    ("longer", "instead"),
    [
        ({"ATTEMPT_RETENTION": "400d"}, "or less for HELIOGRAPH_ATTEMPT_RETENTION"),
        ({"RETRY_SCHEDULE": "1ms,399d,5s"}, "or a shorter HELIOGRAPH_RETRY_SCHEDULE"),
    ],
)
def test_messages_are_kept_as_long_as_what_happens_to_them(longer: dict[str, str], instead: str) -> None:
    """Else a start would promise attempts on messages that nobody can look at."""
    complaint = f"write a duration of at least 400d, {instead}"

    assert _complaint(**longer, MESSAGE_RETENTION="399d").endswith(f"is '399d'; {complaint}")
    assert _complaint(**longer) == f"HELIOGRAPH_MESSAGE_RETENTION is 365d by default; {complaint}"
    assert _read(**longer, MESSAGE_RETENTION="400d").message_retention == timedelta(days=400)


@pytest.mark.parametrize("text", ["secret", "c2hvcnQ=", "not base64!", base64.b64encode(bytes(33)).decode()])
def test_a_wrong_encryption_key_says_how_to_make_one_and_is_not_shown(text: str) -> None:
    """Errors end in logs, which more people may read than may know the key."""
    assert _complaint(ENCRYPTION_KEY=text) == (
        f"HELIOGRAPH_ENCRYPTION_KEY is a text of {len(text)} characters that does not fit; "
        "write the base64 of 32 random bytes; `openssl rand -base64 32` makes them"
    )


def test_a_missing_secret_is_asked_for() -> None:
    with pytest.raises(WrongSettings) as complained:
        Settings.read({})

    assert [(wrong.name, wrong.got) for wrong in complained.value.wrong] == [
        ("HELIOGRAPH_JWT_SECRET", "not set"),
        ("HELIOGRAPH_ENCRYPTION_KEY", "not set"),
    ]


def test_all_wrong_settings_are_reported_at_once() -> None:
    """Nobody should have to start the service once per slip of the pen."""
    assert _complaint(PORT="x", SIGNATURE_TYPE="y", HOTS="z").splitlines() == [
        "HELIOGRAPH_HOTS is not a setting; write HELIOGRAPH_HOST",
        "HELIOGRAPH_PORT is 'x'; write a port such as 8071, at most 65535; 0 takes any that is free",
        "HELIOGRAPH_SIGNATURE_TYPE is 'y'; write hmac256 or ed25519",
    ]


def test_a_name_that_resembles_none_gets_the_list() -> None:
    assert _complaint(ZZZ="1") == "HELIOGRAPH_ZZZ is not a setting; write one of " + ", ".join(NAMES)


def test_settings_of_others_are_none_of_our_business() -> None:
    assert Settings.read(REQUIRED | {"PATH": "/bin", "heliograph_port": "1"}) == Settings.read(REQUIRED)


@pytest.mark.parametrize(
    ("algorithm", "secret"),
    [
        ("EdDSA", ED25519_PRIVATE),
        ("EdDSA", ED25519_PUBLIC),
        ("RS256", RSA_PRIVATE),
        ("RS384", RSA_PUBLIC),
        ("RS512", RSA_PRIVATE),
    ],
)
def test_a_key_in_pem_form_is_taken(algorithm: str, secret: str) -> None:
    assert _read(JWT_ALGORITHM=algorithm, JWT_SECRET=secret).jwt_secret == secret


def test_a_key_may_be_written_in_one_line() -> None:
    r"""Many places that keep settings cannot hold a line break; people write \n there."""
    one_line = ED25519_PRIVATE.replace("\n", r"\n")

    assert _read(JWT_ALGORITHM="EdDSA", JWT_SECRET=one_line).jwt_secret == ED25519_PRIVATE


@pytest.mark.parametrize(
    ("algorithm", "secret", "want"),
    [
        (
            "EdDSA",
            RSA_PRIVATE,
            "an Ed25519 key in PEM form, private or public, for HELIOGRAPH_JWT_ALGORITHM=EdDSA",
        ),
        (
            "RS256",
            ED25519_PUBLIC,
            "an RSA key in PEM form, private or public, for HELIOGRAPH_JWT_ALGORITHM=RS256",
        ),
        (
            "RS256",
            "a plain text",
            "an RSA key in PEM form, private or public, for HELIOGRAPH_JWT_ALGORITHM=RS256",
        ),
        (
            "HS256",
            RSA_PRIVATE,
            "a plain text, or set HELIOGRAPH_JWT_ALGORITHM to RS256 or EdDSA: this is a key in PEM form",
        ),
    ],
)
def test_a_secret_that_does_not_fit_its_algorithm_is_refused(algorithm: str, secret: str, want: str) -> None:
    """Found at the start, not by the first customer whose token is refused."""
    assert _complaint(JWT_ALGORITHM=algorithm, JWT_SECRET=secret) == (
        f"HELIOGRAPH_JWT_SECRET is a text of {len(secret)} characters that does not fit; write {want}"
    )


def test_a_reference_to_a_secret_is_not_taken_for_the_secret() -> None:
    """Whoever knows the name of the vault could sign tokens."""
    reference = "@Microsoft.KeyVault(SecretUri=https://acme.vault.azure.net/secrets/jwt-secret)"

    assert _complaint(JWT_SECRET=reference) == (
        "HELIOGRAPH_JWT_SECRET is a reference to Key Vault that Azure has not resolved; write it for a"
        " secret that is there, and"
        " give the app's managed identity the role Key Vault Secrets User on the vault"
    )


def test_secrets_are_not_in_the_settings_text() -> None:
    """Settings end in logs and bug reports."""
    shown = repr(_read(JWT_SECRET="hush-hush"))

    assert "hush-hush" not in shown
    assert repr(KEY) not in shown
