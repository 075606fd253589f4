"""Tokens: which are good, for whom, and what is said of the others."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from functions.api.errors import NamesNobody, NotAuthenticated, Refused
from functions.api.tokens import REMEMBERED, Authority, Token, mint_organization_token
from shared.config import JwtAlgorithm, Settings
from tests.clock import NOON
from tests.flows.walk import ENVIRONMENT

SECRET = "a secret that is only used in tests"
HS256 = JwtAlgorithm.HS256
ORG_CLAIMS = {"sub": "org_anything"}
NOW = NOON.timestamp()


def _private(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA = generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()


def verified(claims: object, secret: str = SECRET, algorithm: JwtAlgorithm = HS256) -> Token:
    """What the authority makes of a token with these claims."""
    authority = Authority(secret, algorithm)
    return authority.verify(b"Bearer " + authority.sign(claims).encode(), NOON)  # type: ignore[arg-type]


def test_an_organizations_token_names_the_organization() -> None:
    assert verified(ORG_CLAIMS) == Token("org_anything")


def test_a_portals_token_names_one_application_and_its_flags() -> None:
    claims = {"sub": "app_1", "org": "org_1", "feature_flags": ["beta", "beta", "eu"]}
    assert verified(claims) == Token("org_1", "app_1", frozenset({"beta", "eu"}))
    assert verified({"sub": "app_1", "org": "org_1"}) == Token("org_1", "app_1", frozenset())


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_in_any_case(scheme: str) -> None:
    authority = Authority(SECRET, HS256)
    header = f"{scheme} {authority.sign(dict(ORG_CLAIMS))}".encode()
    assert authority.verify(header, NOON).org_id == "org_anything"


@pytest.mark.parametrize(
    ("algorithm", "secret"),
    [
        *((algorithm, SECRET) for algorithm in ("HS256", "HS384", "HS512")),
        *((algorithm, _private(RSA)) for algorithm in ("RS256", "RS384", "RS512")),
        ("EdDSA", _private(ED25519)),
    ],
)
def test_every_algorithm_signs_and_verifies(algorithm: str, secret: str) -> None:
    assert verified(ORG_CLAIMS, secret, JwtAlgorithm(algorithm)) == Token("org_anything")


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", RSA), ("RS512", RSA), ("EdDSA", ED25519)],
    ids=["RS256", "RS512", "EdDSA"],
)
def test_a_public_key_verifies_and_cannot_sign(
    algorithm: str, key: RSAPrivateKey | Ed25519PrivateKey
) -> None:
    """Whoever makes tokens elsewhere keeps the private key there."""
    header = b"Bearer " + Authority(_private(key), JwtAlgorithm(algorithm)).sign(dict(ORG_CLAIMS)).encode()
    public = Authority(_public(key), JwtAlgorithm(algorithm))

    assert public.verify(header, NOON) == Token("org_anything")
    with pytest.raises(ValueError, match="private key"):
        public.sign(dict(ORG_CLAIMS))


def test_a_token_of_another_make_is_good_too() -> None:
    """The sample in the documentation that people come from has the secret `x`."""
    claims = {**ORG_CLAIMS, "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 10, "iss": "svix-server"}
    assert verified(claims, "x") == Token("org_anything")


@pytest.mark.parametrize(
    "times",
    [
        {},
        {"exp": NOW + 1},
        {"exp": NOW - 899},
        {"nbf": NOW + 899},
        {"iat": NOW + 899.5},
        {"exp": 10**30},
        {"exp": None, "nbf": None, "iat": None},
    ],
)
def test_clocks_may_differ_by_a_quarter_of_an_hour(times: dict[str, object]) -> None:
    assert verified({**ORG_CLAIMS, **times}) == Token("org_anything")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "org_1", "exp": NOW - 901},
        {"sub": "org_1", "nbf": NOW + 901},
        {"sub": "org_1", "iat": NOW + 901},
        {"sub": "org_1", "exp": "tomorrow"},
        {"sub": "org_1", "exp": True},
        {"sub": 1},
        {"sub": "app_1", "org": 1},
        {"sub": "app_1", "org": "org_1", "feature_flags": "beta"},
        {"sub": "app_1", "org": "org_1", "feature_flags": [1]},
        [],
        "org_1",
        None,
    ],
)
def test_a_token_out_of_date_or_form_is_invalid(claims: object) -> None:
    with pytest.raises(NotAuthenticated, match=r"401 authentication_failed: Invalid token$"):
        verified(claims)


def test_a_token_runs_out_also_when_it_was_good_before() -> None:
    """What is remembered is the signature, not that the token holds."""
    authority = Authority(SECRET, HS256)
    header = b"Bearer " + authority.sign({**ORG_CLAIMS, "exp": NOW}).encode()
    assert authority.verify(header, NOON) == Token("org_anything")
    with pytest.raises(NotAuthenticated):
        authority.verify(header, NOON + timedelta(minutes=16))


@pytest.mark.parametrize(
    ("claims", "status", "code", "detail"),
    [
        ({}, 401, "authentication_failed", "Invalid token (missing `sub`)."),
        ({"sub": None}, 401, "authentication_failed", "Invalid token (missing `sub`)."),
        ({"sub": "app_1"}, 400, "bad_token", None),
        ({"sub": "user"}, 400, "bad_token", None),
        ({"sub": "app_1", "org": "acme"}, 400, "bad token", None),
        ({"sub": "org_1", "org": "org_1"}, 400, "bad token", None),
    ],
)
def test_a_good_token_that_names_nobody_says_why(
    claims: dict[str, object], status: int, code: str, detail: str | None
) -> None:
    with pytest.raises(Refused) as refused:
        verified(claims)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert detail in (None, refused.value.detail)
    assert isinstance(refused.value, NotAuthenticated | NamesNobody)


def test_the_secret_itself_is_no_token() -> None:
    """The commonest mistake of the first hour gets an answer of its own."""
    with pytest.raises(NotAuthenticated, match="JWT signing secrets can not be used as tokens"):
        Authority(SECRET, HS256).verify(f"Bearer {SECRET}".encode(), NOON)


def _unsigned(header: dict[str, Any]) -> bytes:
    parts = (header, ORG_CLAIMS)
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b"Bearer " + text + b"."


GOOD = Authority(SECRET, HS256).sign(dict(ORG_CLAIMS))


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic dXNlcjpwYXNz",
        GOOD.encode(),
        b"Bearer " + GOOD.encode()[:-2],
        b"Bearer " + GOOD.encode() + b"A",
        b"Bearer x.y",
        b"Bearer \xff.\xff.\xff",
        b"Bearer " + Authority("another secret of the same length.", HS256).sign(dict(ORG_CLAIMS)).encode(),
        b"Bearer " + Authority(SECRET, JwtAlgorithm.HS512).sign(dict(ORG_CLAIMS)).encode(),
        _unsigned({"alg": "none"}),
        _unsigned({"alg": "HS256"}),
        _unsigned({"alg": ["HS256"]}),
        _unsigned({"alg": "HS256", "crit": ["b64"], "b64": False}),
    ],
)
def test_whatever_is_not_signed_by_us_is_invalid(header: bytes | None) -> None:
    with pytest.raises(NotAuthenticated, match=r"Invalid token$"):
        Authority(SECRET, HS256).verify(header, NOON)


def test_a_public_key_is_no_shared_secret() -> None:
    """Everybody knows a public key; a token signed with it as if it were a secret must not be good."""
    public = _public(ED25519)
    header = b"Bearer " + _by_hand(public.encode())
    with pytest.raises(NotAuthenticated):
        Authority(public, JwtAlgorithm.EDDSA).verify(header, NOON)


def _by_hand(secret: bytes) -> bytes:
    """A token signed by HMAC with any bytes."""
    parts = ({"alg": "HS256", "typ": "JWT"}, ORG_CLAIMS)
    text = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return text + b"." + urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")


def test_a_very_long_token_is_good_and_not_remembered() -> None:
    """Or a few of them could take all the memory."""
    authority = Authority(SECRET, HS256)
    header = b"Bearer " + authority.sign({"sub": "org_" + "a" * 5000}).encode()
    assert authority.verify(header, NOON).org_id.startswith("org_a")
    assert not authority._remembered


def test_only_so_many_tokens_are_remembered() -> None:
    authority = Authority(SECRET, HS256)
    headers = [b"Bearer " + authority.sign({"sub": f"org_{n}"}).encode() for n in range(REMEMBERED + 2)]
    authority.verify(headers[0], NOON)
    for header in (headers[0], *headers[1:-1], headers[0], headers[-1]):
        authority.verify(header, NOON)
    assert len(authority._remembered) == REMEMBERED
    assert headers[0] in authority._remembered
    assert headers[1] not in authority._remembered


@given(st.binary(max_size=80))
def test_any_header_is_answered(header: bytes) -> None:
    with pytest.raises(Refused):
        Authority(SECRET, HS256).verify(b"Bearer " + header, NOON)


def test_a_minted_token_lasts_ten_years() -> None:
    settings = Settings.read(ENVIRONMENT)
    token = mint_organization_token(settings, "org_1", NOON)
    authority = Authority(settings.jwt_secret, settings.jwt_algorithm)
    assert authority.verify(f"Bearer {token}".encode(), NOON + timedelta(days=3640)) == Token("org_1")
    with pytest.raises(NotAuthenticated):
        authority.verify(f"Bearer {token}".encode(), NOON + timedelta(days=3651))


def test_a_token_is_minted_for_organizations_only() -> None:
    with pytest.raises(ValueError, match="begins with org_"):
        mint_organization_token(Settings.read(ENVIRONMENT), "app_1", NOON)
