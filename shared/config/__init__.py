"""The settings: read once from the environment into a frozen value.

A wrong one says what to write instead, and all that are wrong are reported together, so that nobody mends
them one start at a time. A name that starts with `HELIOGRAPH_` and is not known is wrong, too: most likely it
is a slip of the pen, and a setting that is silently ignored costs an afternoon.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import ceil
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from shared.config import azure
from shared.config.azure import KEY_VAULT_KEY, AzureProfile, Identity
from shared.config.reader import PREFIX, Reader, parts
from shared.domain.message import LONGEST_PAYLOAD_RETENTION
from shared.domain.policy import SIGNATURE_HEADERS as HEADERS_BY_NAME
from shared.domain.policy import STANDARD_HEADERS, SignatureHeaders
from shared.domain.retry import DEFAULT_SCHEDULE, parse_duration, parse_schedule
from shared.domain.signature import SignatureType

JWT_SECRET = PREFIX + "JWT_SECRET"
JWT_ALGORITHM = PREFIX + "JWT_ALGORITHM"
DATABASE = PREFIX + "DATABASE"
HOST = PREFIX + "HOST"
PORT = PREFIX + "PORT"
RETRY_SCHEDULE = PREFIX + "RETRY_SCHEDULE"
REQUEST_TIMEOUT = PREFIX + "REQUEST_TIMEOUT"
ENDPOINT_FAILURE_DISABLE_AFTER = PREFIX + "ENDPOINT_FAILURE_DISABLE_AFTER"
SIGNATURE_TYPE = PREFIX + "SIGNATURE_TYPE"
SIGNATURE_HEADERS = PREFIX + "SIGNATURE_HEADERS"
ENDPOINT_HTTPS_ONLY = PREFIX + "ENDPOINT_HTTPS_ONLY"
ALLOW_SUBNETS = PREFIX + "ALLOW_SUBNETS"
ENCRYPTION_KEY = PREFIX + "ENCRYPTION_KEY"
MESSAGE_RETENTION = PREFIX + "MESSAGE_RETENTION"
ATTEMPT_RETENTION = PREFIX + "ATTEMPT_RETENTION"
TASK_RETENTION = PREFIX + "TASK_RETENTION"
TELEMETRY = PREFIX + "TELEMETRY"
TELEMETRY_SHARE = PREFIX + "TELEMETRY_SHARE"
# These two are the platform's: Azure sets them for the Functions host, too.
CONNECTION_STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
AUTHENTICATION_STRING = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
NAMES = (
    JWT_SECRET,
    JWT_ALGORITHM,
    DATABASE,
    HOST,
    PORT,
    RETRY_SCHEDULE,
    REQUEST_TIMEOUT,
    ENDPOINT_FAILURE_DISABLE_AFTER,
    SIGNATURE_TYPE,
    SIGNATURE_HEADERS,
    ENDPOINT_HTTPS_ONLY,
    ALLOW_SUBNETS,
    ENCRYPTION_KEY,
    MESSAGE_RETENTION,
    ATTEMPT_RETENTION,
    TASK_RETENTION,
    TELEMETRY,
    TELEMETRY_SHARE,
    *azure.PROFILE,
)
PLATFORM_NAMES = (CONNECTION_STRING, AUTHENTICATION_STRING, *azure.PLATFORM)
SECRETS = azure.SECRETS | {JWT_SECRET, ENCRYPTION_KEY, CONNECTION_STRING}
"""Their values are never shown, not even in the error that says that they are wrong."""

DEFAULT_DATABASE = Path(".heliograph/heliograph.db")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8071
HIGHEST_PORT = 65_535
DEFAULT_REQUEST_TIMEOUT = timedelta(seconds=30)
LONGEST_REQUEST_TIMEOUT = timedelta(seconds=30)
DEFAULT_DISABLE_AFTER = timedelta(hours=120)
ENCRYPTION_KEY_BYTES = 32
DEFAULT_RETENTION = timedelta(days=90)
SHORTEST_RETENTION = timedelta(days=1)
"""Longer than any queued work waits for its first attempt, which looks at what was attempted before."""
DEFAULT_MESSAGE_RETENTION = timedelta(days=365)
SHORTEST_MESSAGE_RETENTION = LONGEST_PAYLOAD_RETENTION + timedelta(days=1)
"""A day longer than there can be anything to send: what was begun with the payload is over and recorded."""

Subnet = IPv4Network | IPv6Network

_SIGNS_TOKENS = "a secret text that only you know; for RS256 to RS512 and EdDSA a key in PEM form"
_ENCRYPTS_SECRETS = "the base64 of 32 random bytes; `openssl rand -base64 32` makes them"
_CONNECTS = (
    "the resource's connection string, as its page in the portal shows it:"
    " InstrumentationKey=…;IngestionEndpoint=https://…"
)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_ENDPOINT = re.compile(r"https?://[a-zA-Z0-9.\-]+(:[0-9]+)?/?").fullmatch
_TRUTHS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class JwtAlgorithm(StrEnum):
    """How tokens are signed; only the one that is set verifies."""

    HS256 = "HS256"
    HS384 = "HS384"
    HS512 = "HS512"
    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    EDDSA = "EdDSA"

    @property
    def is_symmetric(self) -> bool:
        """Whether the secret that signs is the one that verifies."""
        return self.value.startswith("HS")


class Telemetry(StrEnum):
    """Where the journal goes."""

    LINES = "lines"
    """JSON lines on standard error."""
    APPLICATION_INSIGHTS = "application-insights"


NOBODY = "none"
"""What is written where the journal goes nowhere."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of Application Insights.

    Attributes:
        endpoint: Where it takes telemetry: scheme and host, perhaps a port.
    """

    instrumentation_key: str = field(repr=False)
    endpoint: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set, as checked values.

    Attributes:
        jwt_secret: What tokens are signed with: any text for HS*; for RS* and EdDSA a key in PEM form, which
            is private (then tokens can be made, too) or public.
        database: The embedded store's file.
        host: Where the embedded host listens: a name or an address.
        port: As `host`; 0 lets the system choose one.
        retry_schedule: The rest after each failed attempt; empty means that nothing is retried.
        request_timeout: For the whole exchange with a receiver, its body included.
        endpoint_failure_disable_after: An endpoint that has failed for this long is disabled.
        signature_type: Of the secret that is made for a new endpoint.
        signature_headers: The names of the headers that carry the signature.
        endpoint_https_only: Whether an endpoint's URL must be https.
        allow_subnets: Addresses that may be called although they are private.
        encryption_key: What endpoint secrets are encrypted with at rest, 32 bytes; empty if a key of Key
            Vault has always stood in for it.
        message_retention: How long messages are kept after they were accepted: as long at least as payloads
            and attempts, and as `retry_schedule` takes.
        attempt_retention: How long attempts are kept after the last one on their message.
        task_retention: How long background tasks are kept after their end.
        telemetry: Where the journal goes.
        telemetry_share: Of the messages without a failure, Application Insights is told at most so many.
        application_insights: Where that is; None if nothing goes there.
        application_insights_signs_in: Whether the connection string is not enough there.
        azure: What stands in for the database on Azure; None if everything is in the file.
        identity: Who signs in, wherever that is needed.
    """

    jwt_secret: str = field(repr=False)
    jwt_algorithm: JwtAlgorithm
    database: Path
    host: str
    port: int
    retry_schedule: tuple[timedelta, ...]
    request_timeout: timedelta
    endpoint_failure_disable_after: timedelta
    signature_type: SignatureType
    signature_headers: SignatureHeaders
    endpoint_https_only: bool
    allow_subnets: tuple[Subnet, ...]
    encryption_key: bytes = field(repr=False)
    message_retention: timedelta
    attempt_retention: timedelta
    task_retention: timedelta
    telemetry: frozenset[Telemetry]
    telemetry_share: float
    application_insights: Resource | None
    application_insights_signs_in: bool
    azure: AzureProfile | None
    identity: Identity

    @property
    def place(self) -> str:
        """Where messages are kept: a file, or the account of Cosmos DB."""
        return self.azure.cosmos_db.endpoint if self.azure else str(self.database)

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Read every setting; one that is not there, or empty, has its default.

        Raises:
            WrongSettings: At least one is wrong, is missing and has no default, or is not known.
        """
        reader = Reader(env, secrets=SECRETS, may_be_empty={RETRY_SCHEDULE})
        for name, want in _unknown(env):
            reader.refuse(name, "not a setting", want)
        resource = reader.read(CONNECTION_STRING, _resource, default=None)
        usual = frozenset(Telemetry) if resource else frozenset({Telemetry.LINES})
        client_id: str | None = reader.read(AUTHENTICATION_STRING, _signs_in, default=None)
        algorithm = reader.read(JWT_ALGORITHM, _algorithm, default=JwtAlgorithm.HS256)
        schedule: tuple[timedelta, ...] = reader.read(RETRY_SCHEDULE, _schedule, default=DEFAULT_SCHEDULE)
        attempt_retention = reader.read(ATTEMPT_RETENTION, _retention, default=DEFAULT_RETENTION)
        settings = cls(
            jwt_secret=reader.require(JWT_SECRET, _secret_for(algorithm), want=_SIGNS_TOKENS, meanwhile=""),
            jwt_algorithm=algorithm,
            database=reader.read(DATABASE, Path, default=DEFAULT_DATABASE),
            host=reader.read(HOST, str, default=DEFAULT_HOST),
            port=reader.read(PORT, _port, default=DEFAULT_PORT),
            retry_schedule=schedule,
            request_timeout=reader.read(REQUEST_TIMEOUT, _request_timeout, default=DEFAULT_REQUEST_TIMEOUT),
            endpoint_failure_disable_after=reader.read(
                ENDPOINT_FAILURE_DISABLE_AFTER, _disable_after, default=DEFAULT_DISABLE_AFTER
            ),
            signature_type=reader.read(SIGNATURE_TYPE, _signature_type, default=SignatureType.HMAC256),
            signature_headers=reader.read(SIGNATURE_HEADERS, _signature_headers, default=STANDARD_HEADERS),
            endpoint_https_only=reader.read(ENDPOINT_HTTPS_ONLY, _truth, default=False),
            allow_subnets=reader.read(ALLOW_SUBNETS, _subnets, default=()),
            encryption_key=_read_encryption_key(reader),
            message_retention=_read_message_retention(reader, schedule, attempt_retention),
            attempt_retention=attempt_retention,
            task_retention=reader.read(TASK_RETENTION, _retention, default=DEFAULT_RETENTION),
            telemetry=reader.read(TELEMETRY, _telemetry_beside(resource), default=usual),
            telemetry_share=reader.read(TELEMETRY_SHARE, _share, default=1.0),
            application_insights=resource,
            application_insights_signs_in=client_id is not None,
            azure=azure.read_profile(reader),
            identity=azure.read_identity(reader, [(AUTHENTICATION_STRING, client_id or "")]),
        )
        reader.finish()
        return settings


def _unknown(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The names that look like ours and are not, each with what was most likely meant."""
    ours = {known.removeprefix(PREFIX): known for known in NAMES}
    for name in env:
        if name.startswith(PREFIX) and name not in NAMES:
            nearest = get_close_matches(name.removeprefix(PREFIX), ours, n=1)
            yield name, ours[nearest[0]] if nearest else "one of " + ", ".join(NAMES)


def _algorithm(text: str) -> JwtAlgorithm:
    for algorithm in JwtAlgorithm:
        if algorithm.lower() == text.lower():
            return algorithm
    raise ValueError("one of " + ", ".join(JwtAlgorithm))


def _secret_for(algorithm: JwtAlgorithm) -> Callable[[str], str]:
    """The parser of the secret that this algorithm needs."""

    def parse(text: str) -> str:
        if algorithm.is_symmetric:
            if "-----BEGIN " in text:
                raise ValueError(
                    f"a plain text, or set {JWT_ALGORITHM} to RS256 or EdDSA: this is a key in PEM form"
                )
            return text
        # Many places that keep settings cannot hold a line break; there one writes \n.
        pem = text.replace("\\n", "\n")
        if not _fits(_pem_key(pem), algorithm):
            kind = "an Ed25519" if algorithm is JwtAlgorithm.EDDSA else "an RSA"
            raise ValueError(f"{kind} key in PEM form, private or public, for {JWT_ALGORITHM}={algorithm}")
        return pem

    return parse


def _fits(key: object, algorithm: JwtAlgorithm) -> bool:
    if algorithm is JwtAlgorithm.EDDSA:
        return isinstance(key, Ed25519PrivateKey | Ed25519PublicKey)
    return isinstance(key, RSAPrivateKey | RSAPublicKey)


def _pem_key(pem: str) -> object:
    """The key in a PEM text; None if there is none, or it needs a password."""
    load = load_pem_public_key if "PUBLIC KEY" in pem else _load_private_key
    try:
        return load(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _load_private_key(pem: bytes) -> object:
    return load_pem_private_key(pem, password=None)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= HIGHEST_PORT):
        raise ValueError(f"a port such as {DEFAULT_PORT}, at most {HIGHEST_PORT}; 0 takes any that is free")
    return int(text)


def _schedule(text: str) -> tuple[timedelta, ...]:
    try:
        return parse_schedule(text)
    except ValueError:
        raise ValueError("durations separated by commas, such as 5s,5m,2h, or nothing for no retry") from None


def _request_timeout(text: str) -> timedelta:
    want = "a duration from 1ms to 30s, such as 10s"
    timeout = _duration(text, want)
    if timeout > LONGEST_REQUEST_TIMEOUT:
        raise ValueError(want)
    return timeout


def _disable_after(text: str) -> timedelta:
    return _duration(text, "a duration such as 120h")


def _retention(text: str) -> timedelta:
    want = "a duration of at least 24h, such as 90d"
    retention = _duration(text, want)
    if retention < SHORTEST_RETENTION:
        raise ValueError(want)
    return retention


def _read_message_retention(
    reader: Reader, schedule: Sequence[timedelta], attempt_retention: timedelta
) -> timedelta:
    """Read it; refuse what is shorter than payloads, attempts and the schedule, even if it is the default."""
    shortest, instead = max(
        (SHORTEST_MESSAGE_RETENTION, ", such as 365d"),
        (attempt_retention, f", or less for {ATTEMPT_RETENTION}"),
        (sum(schedule, timedelta(0)), f", or a shorter {RETRY_SCHEDULE}"),
    )
    want = f"a duration of at least {ceil(shortest / timedelta(days=1))}d{instead}"

    def parse(text: str) -> timedelta:
        retention = _duration(text, want)
        if retention < shortest:
            raise ValueError(want)
        return retention

    if shortest > DEFAULT_MESSAGE_RETENTION and not reader.is_set(MESSAGE_RETENTION):
        reader.refuse(MESSAGE_RETENTION, f"{DEFAULT_MESSAGE_RETENTION.days}d by default", want)
    return reader.read(MESSAGE_RETENTION, parse, default=DEFAULT_MESSAGE_RETENTION)


def _duration(text: str, want: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except ValueError:
        raise ValueError(want) from None
    if not duration:
        raise ValueError(want)
    return duration


def _signature_type(text: str) -> SignatureType:
    try:
        return SignatureType(text)
    except ValueError:
        raise ValueError(" or ".join(SignatureType)) from None


def _signature_headers(text: str) -> SignatureHeaders:
    if text not in HEADERS_BY_NAME:
        raise ValueError(" or ".join(HEADERS_BY_NAME))
    return HEADERS_BY_NAME[text]


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError("true or false")
    return _TRUTHS[text.lower()]


def _subnets(text: str) -> tuple[Subnet, ...]:
    return tuple(_subnet(part.strip()) for part in text.split(",") if part.strip())


def _subnet(text: str) -> Subnet:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        # 10.1.2.3/8 may mean one address or a whole network: to guess would open one by accident.
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("addresses or networks separated by commas, such as 127.0.0.1/32,::1/128") from None
    raise ValueError(f"{meant} for the whole network, or {text.partition('/')[0]} for the one address")


def _telemetry_beside(resource: Resource | None) -> Callable[[str], frozenset[Telemetry]]:
    """The parser for a process that has this resource of Application Insights."""

    def parse(text: str) -> frozenset[Telemetry]:
        if text.lower() == NOBODY:
            return frozenset()
        try:
            chosen = frozenset(Telemetry(part.strip().lower()) for part in text.split(","))
        except ValueError:
            raise ValueError(
                f"one or both of {', '.join(Telemetry)}, separated by a comma; or {NOBODY}"
            ) from None
        if Telemetry.APPLICATION_INSIGHTS in chosen and resource is None:
            raise ValueError(f"{Telemetry.LINES}, or set {CONNECTION_STRING}") from None
        return chosen

    return parse


def _share(text: str) -> float:
    want = "a share above 0 % and up to 100 %, such as 5%"
    number = text.removesuffix("%").strip()
    if not number.replace(".", "", 1).isdecimal() or not number.isascii() or not text.endswith("%"):
        raise ValueError(want)
    share = float(number) / 100
    if not 0 < share <= 1:
        raise ValueError(want)
    return share


def _resource(text: str) -> Resource:
    said = parts(text)
    key, endpoint = said.get("instrumentationkey", "").lower(), said.get("ingestionendpoint", "")
    if not (_UUID(key) and _ENDPOINT(endpoint)):
        raise ValueError(_CONNECTS)
    return Resource(key, endpoint.rstrip("/"))


def _signs_in(text: str) -> str:
    """The client id that is named, or an empty text.

    Raises:
        ValueError: It says something else than that the identity signs in.
    """
    said = parts(text)
    if said.get("authorization", "").lower() != "aad" or not said.keys() <= {"authorization", "clientid"}:
        raise ValueError("Authorization=AAD, for an identity of your own with ;ClientId=… behind it")
    return said.get("clientid", "")


def _read_encryption_key(reader: Reader) -> bytes:
    if reader.is_set(KEY_VAULT_KEY):
        return reader.read(ENCRYPTION_KEY, _encryption_key, default=b"")
    return reader.require(ENCRYPTION_KEY, _encryption_key, want=_ENCRYPTS_SECRETS, meanwhile=b"")


def _encryption_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        raise ValueError(_ENCRYPTS_SECRETS) from None
    if len(key) != ENCRYPTION_KEY_BYTES:
        raise ValueError(_ENCRYPTS_SECRETS)
    return key
