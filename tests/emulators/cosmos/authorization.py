"""Who may ask: the account's key, a resource token for one container, or a token of Entra.

A key signs the verb, the kind and the link of the resource and the date. What it was meant for stands in the
request, so that the signature is made once more and compared.
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from tests.emulators.cosmos.refusals import NO_PERMISSION, Refused

WELL_KNOWN_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
"""The key of Microsoft's emulator, which is public."""

UNAUTHORIZED = 401
FORBIDDEN = 403


def _unquoted(header: str) -> str:
    """As `unquote`, sooner: these are the signs that a claim has quoted."""
    for quoted, sign in (("%3D", "="), ("%26", "&"), ("%2B", "+"), ("%2F", "/")):
        header = header.replace(quoted, sign)
    return unquote(header) if "%" in header else header


class Asked(NamedTuple):
    """What a request asks for, as its signature says it.

    Attributes:
        verb: Of HTTP, in small letters.
        kind: Of the resource, as in its path: `dbs`, `colls`, `docs`; empty for the account.
        link: Of the resource or, for a list or something new, of what it belongs to.
        date: The header x-ms-date.
        writes: Whether it changes anything.
    """

    verb: str
    kind: str
    link: str
    date: str
    writes: bool


@dataclass
class Authorization:
    """What is let in.

    Attributes:
        key: The account's key, in base64.
        accepts_keys: Whether keys and resource tokens count; accounts in production switch them off.
        bearers: The tokens of Entra that are let in.
        strangers: The tokens of Entra that are valid and have no role on this account.
    """

    key: str = WELL_KNOWN_KEY
    accepts_keys: bool = True
    bearers: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    _resource_tokens: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._signing = hmac.new(b64decode(self.key), digestmod="sha256")

    def resource_token(self, link: str, *, writes: bool = False) -> str:
        """Issue a token for one resource, such as `dbs/d/colls/c`, and what belongs to it."""
        token = f"type=resource&ver=1&sig={secrets.token_urlsafe()}"
        self._resource_tokens[token] = (link, writes)
        return token

    def check(self, header: str, asked: Asked) -> None:
        """Let a request pass that is allowed.

        Raises:
            Refused: It is not.
        """
        claim = _unquoted(header)
        if claim.startswith("type=master&"):
            self._check_keys_accepted()
            self._check_signature(claim.rpartition("&sig=")[2], asked)
        elif claim.startswith("type=resource&"):
            self._check_keys_accepted()
            self._check_resource_token(claim, asked)
        elif claim.startswith("type=aad&"):
            self._check_bearer(claim.rpartition("&sig=")[2])
        else:
            raise Refused(
                UNAUTHORIZED,
                "Required Header authorization is missing. Ensure a valid Authorization token is passed.",
            )

    def _check_keys_accepted(self) -> None:
        if not self.accepts_keys:
            raise Refused(
                UNAUTHORIZED, "Local Authorization is disabled. Use an AAD token to authorize all requests."
            )

    def _check_signature(self, signature: str, asked: Asked) -> None:
        # A resource that is addressed by its _rid signs that alone, in small letters.
        for link in (asked.link, asked.link.rpartition("/")[2].lower()):
            signing = self._signing.copy()
            signing.update(f"{asked.verb}\n{asked.kind}\n{link}\n{asked.date.lower()}\n\n".encode())
            if hmac.compare_digest(signature, b64encode(signing.digest()).decode()):
                return
        raise Refused(
            UNAUTHORIZED,
            "The input authorization token can't serve the request. The wrong key is being used or the "
            "expected payload is not built as per the protocol. Expected payload: "
            f"{asked.verb} {asked.kind} {asked.link} {asked.date}",
        )

    def _check_resource_token(self, token: str, asked: Asked) -> None:
        link, writes = self._resource_tokens.get(token, ("", False))
        if not link:
            raise Refused(UNAUTHORIZED, "The authorization token is not valid at the current time.")
        if asked.kind and asked.link != link and not asked.link.startswith(f"{link}/"):
            raise Refused(FORBIDDEN, f"Insufficient permissions: the token is for {link}")
        if asked.writes and not writes:
            raise Refused(FORBIDDEN, "Insufficient permissions: the token is for reading")

    def _check_bearer(self, token: str) -> None:
        if token in self.strangers:
            raise Refused(
                FORBIDDEN,
                "Request blocked by Auth: the given request is not authorized by AAD RBAC, because the "
                "principal does "
                "not have required RBAC permissions to perform it.",
                NO_PERMISSION,
            )
        if token not in self.bearers:
            raise Refused(UNAUTHORIZED, "The AAD token is invalid or has expired.")
