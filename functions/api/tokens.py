"""Tokens: who asks. A token is a JWT that this deployment's secret has signed.

An organization's token has the organization's id as `sub`. A portal's token has an application's id as
`sub` and the organization's as `org`, and perhaps `feature_flags` and `capabilities`. Times are checked
with a tolerance, for clocks differ.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hmac import compare_digest

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidKeyError, PyJWTError

from functions.api.errors import NamesNobody, NotAuthenticated
from shared.config import JwtAlgorithm, Settings
from shared.domain import ids

TOLERANCE = timedelta(minutes=15)
ORGANIZATION_TOKEN_LIFETIME = timedelta(days=3650)
PORTAL_TOKEN_LIFETIME = timedelta(days=28)
ISSUER = "heliograph"

REMEMBERED = 1024
"""Good tokens that are remembered; a backend uses one for years."""
REMEMBERED_MAX_BYTES = 4096

SENT_THE_KEY_ITSELF = (
    "Authentication failed. JWT signing secrets can not be used as tokens, please refer to "
    "https://github.com/svix/svix-webhooks#authentication for more information."
)

_EPOCH = datetime.fromtimestamp(0, UTC)
_SCHEME = b"bearer "
_HASHES = {
    JwtAlgorithm.HS256: HMACAlgorithm.SHA256,
    JwtAlgorithm.HS384: HMACAlgorithm.SHA384,
    JwtAlgorithm.HS512: HMACAlgorithm.SHA512,
}


class AppPortalCapability(StrEnum):
    """What a portal's token may be good for. Everything else can be seen with any."""

    VIEW_BASE = "ViewBase"
    VIEW_ENDPOINT_SECRET = "ViewEndpointSecret"  # noqa: S105 - a name
    MANAGE_ENDPOINT_SECRET = "ManageEndpointSecret"  # noqa: S105 - a name
    MANAGE_TRANSFORMATIONS = "ManageTransformations"
    CREATE_ATTEMPTS = "CreateAttempts"
    MANAGE_ENDPOINT = "ManageEndpoint"


@dataclass(frozen=True, slots=True)
class Token:
    """Who asks, and for whom.

    Attributes:
        app_id: The only application that a portal's token is good for; None in an organization's token.
        feature_flags: Event types with one of these flags are shown to a portal; None shows all.
        capabilities: What a portal may do; None is everything that a portal ever may.
        session_id: The organization's own name for what the token was made for.
        made_at: When it was made, in UTC, if it says so.
    """

    org_id: str
    app_id: str | None = None
    feature_flags: frozenset[str] | None = None
    capabilities: frozenset[str] | None = None
    session_id: str | None = None
    made_at: datetime | None = None


class _Claims(msgspec.Struct):
    """What a token says. Times are seconds since 1970."""

    sub: str | None = None
    org: str | None = None
    feature_flags: list[str] | None = None
    capabilities: list[str] | None = None
    session_id: str | None = None
    iat: float | int | None = None
    nbf: float | int | None = None
    exp: float | int | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token with a good signature, and the seconds since 1970 between which it holds."""

    token: Token
    begins: float
    ends: float


class _ShortSecretsToo(HMACAlgorithm):
    """The operator has chosen the secret; to warn of a short one at each request would help nobody."""

    def check_key_length(self, key: bytes) -> None:
        del key


class Authority:
    """Signs and verifies tokens with one secret."""

    def __init__(self, secret: str, algorithm: JwtAlgorithm) -> None:
        self._algorithm = algorithm
        self._jws = PyJWS(algorithms=[algorithm])
        if algorithm in _HASHES:
            self._jws.unregister_algorithm(algorithm)
            self._jws.register_algorithm(algorithm, _ShortSecretsToo(_HASHES[algorithm]))
        self._signs = self._jws.get_algorithm_by_name(algorithm).prepare_key(secret)
        self._verifies = self._signs
        if isinstance(self._signs, RSAPrivateKey | Ed25519PrivateKey):
            self._verifies = self._signs.public_key()
        self._secret = secret.encode() if algorithm in _HASHES else None
        self._remembered: dict[bytes, _Verified] = {}

    def verify(self, authorization: bytes | None, now: datetime) -> Token:
        """Read the `Authorization` header.

        Args:
            authorization: `Bearer` and the token; None if there is no such header.
            now: UTC.

        Raises:
            NotAuthenticated: There is no token, or it is not good now.
            NamesNobody: It is good, and names no organization or application.
        """
        if authorization is None:
            raise NotAuthenticated
        # Taken out and put in again at the end, so that the first is the one used longest ago.
        verified = self._remembered.pop(authorization, None) or self._verified(authorization)
        if len(authorization) <= REMEMBERED_MAX_BYTES:
            self._remembered[authorization] = verified
            if len(self._remembered) > REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        seconds = now.timestamp()
        if not verified.begins <= seconds <= verified.ends:
            raise NotAuthenticated
        return verified.token

    def sign(self, claims: dict[str, object]) -> str:
        """Make a token.

        Raises:
            ValueError: The key can only verify.
        """
        try:
            return self._jws.encode(msgspec.json.encode(claims), self._signs, self._algorithm)
        except (InvalidKeyError, AttributeError, TypeError) as wrong:
            raise ValueError(
                "tokens are signed with a private key, and HELIOGRAPH_JWT_SECRET holds a public one"
            ) from wrong

    def _verified(self, authorization: bytes) -> _Verified:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise NotAuthenticated
        bearer = authorization[len(_SCHEME) :].strip()
        if self._secret is not None and compare_digest(bearer, self._secret):
            raise NotAuthenticated(SENT_THE_KEY_ITSELF)
        claims = self._claims(bearer)
        tolerance = TOLERANCE.total_seconds()
        return _Verified(
            token=_token(claims),
            begins=max(claims.iat or 0, claims.nbf or 0) - tolerance,
            ends=float("inf") if claims.exp is None else claims.exp + tolerance,
        )

    def _claims(self, bearer: bytes) -> _Claims:
        try:
            text = self._jws.decode(bearer, self._verifies, algorithms=[self._algorithm])
            return msgspec.json.decode(text, type=_Claims)
        except (PyJWTError, msgspec.MsgspecError, UnicodeError, RecursionError) as wrong:
            raise NotAuthenticated from wrong


@lru_cache(maxsize=8)
def authority(secret: str, algorithm: JwtAlgorithm) -> Authority:
    """The authority for a secret; the same one each time, with what it remembers."""
    return Authority(secret, algorithm)


def mint_organization_token(settings: Settings, org_id: str, now: datetime) -> str:
    """Make an organization's token, good for ten years.

    Raises:
        ValueError: `org_id` does not begin with `org_`, or the settings hold no key that can sign.
    """
    _check_organization(org_id)
    return _minted(settings, now, ORGANIZATION_TOKEN_LIFETIME, sub=org_id)


def mint_portal_token(
    settings: Settings, portal: Token, now: datetime, lifetime: timedelta = PORTAL_TOKEN_LIFETIME
) -> str:
    """Make a portal's token.

    Args:
        settings: With the key that signs.
        portal: Whose token it is, and what it is good for.
        now: From when it is good, in UTC.
        lifetime: For how long.

    Raises:
        ValueError: Its `org_id` does not begin with `org_` or its `app_id` with `app_`, or the settings hold
            no key that can sign.
    """
    _check_organization(portal.org_id)
    app_id = portal.app_id or ""
    if not app_id.startswith(ids.APPLICATION):
        raise ValueError(f"an application's id begins with {ids.APPLICATION}, unlike {app_id!r}")
    claims: dict[str, object] = {
        "sub": app_id,
        "org": portal.org_id,
        "feature_flags": sorted(portal.feature_flags or ()),
    }
    if portal.capabilities is not None:
        claims["capabilities"] = sorted(portal.capabilities)
    if portal.session_id is not None:
        claims["session_id"] = portal.session_id
    return _minted(settings, now, lifetime, **claims)


def _check_organization(org_id: str) -> None:
    """Check an organization's id.

    Raises:
        ValueError: It does not begin with `org_`.
    """
    if not org_id.startswith(ids.ORGANIZATION):
        raise ValueError(f"an organization's id begins with {ids.ORGANIZATION}, unlike {org_id!r}")


def _minted(settings: Settings, now: datetime, lifetime: timedelta, **claims: object) -> str:
    begins = int(now.timestamp())
    ends = begins + int(lifetime.total_seconds())
    # To the microsecond: a token may be made right after all earlier ones were ended.
    times = {"iat": now.timestamp(), "nbf": begins, "exp": ends, "iss": ISSUER}
    return authority(settings.jwt_secret, settings.jwt_algorithm).sign({**times, **claims})


def _token(claims: _Claims) -> Token:
    """Who a token with a good signature names.

    Raises:
        NotAuthenticated: It has no `sub`.
        NamesNobody: It has one that is not an id.
    """
    if claims.sub is None:
        raise NotAuthenticated("Invalid token (missing `sub`).")
    if claims.org is None:
        if not claims.sub.startswith(ids.ORGANIZATION):
            raise NamesNobody(
                f"`sub` is not an organization's id: it begins with {ids.ORGANIZATION}", "bad_token"
            )
        return Token(claims.sub)
    if not (claims.org.startswith(ids.ORGANIZATION) and claims.sub.startswith(ids.APPLICATION)):
        raise NamesNobody("`org` is not an organization's id, or `sub` not an application's", "bad token")
    able = None if claims.capabilities is None else frozenset(claims.capabilities)
    made_at = None if claims.iat is None else _instant(claims.iat)
    return Token(
        claims.org, claims.sub, frozenset(claims.feature_flags or ()), able, claims.session_id, made_at
    )


def _instant(seconds: float) -> datetime | None:
    """Seconds since 1970 as an instant; None if the calendar has none."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
