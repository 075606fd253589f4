"""The secrets that a first start makes, so that nothing must be set up: kept in a file beside the database.

    HELIOGRAPH_JWT_SECRET=…         signs tokens
    HELIOGRAPH_ENCRYPTION_KEY=…     encrypts endpoint secrets in the database
    ENCRYPTION_KEY_SHA256=…         the key that the database is really used with

The file is written once. What is set in the environment wins over it. The last line catches the mistake that
would hurt most: a database whose endpoint secrets nobody can read any more, noticed one delivery at a time.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local import files
from shared.config import DATABASE, DEFAULT_DATABASE, ENCRYPTION_KEY, ENCRYPTION_KEY_BYTES, JWT_SECRET

CHECK = "ENCRYPTION_KEY_SHA256"
OWNER_ONLY = 0o700

_HEADER = """\
# Made by Heliograph at its first start. Keep it with the database, and secret: without the encryption key
# the endpoints' secrets cannot be read, and whoever has the JWT secret can make tokens.
"""


@dataclass(eq=False)
class WrongKeys(Exception):
    """The database cannot be used with the keys that are at hand.

    Attributes:
        why: What is wrong, and what to do about it.
    """

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class Supplied:
    """The environment with the secrets that it lacked.

    Attributes:
        env: Every setting.
        made: The file that was made for them just now; None if it was there or nothing had to be made.
    """

    env: Mapping[str, str]
    made: Path | None


def supply(env: Mapping[str, str]) -> Supplied:
    """Add the secrets that the environment lacks; make them at the first start.

    Raises:
        WrongKeys: The database was encrypted with another key, or with one that is gone.
        OSError: The folder of the database cannot be written.
    """
    database = Path(env.get(DATABASE, "").strip() or DEFAULT_DATABASE)
    path = database.with_name(f"{database.name}.keys")
    has_key = bool(env.get(ENCRYPTION_KEY, "").strip())
    if not path.exists() and database.exists() and not has_key:
        raise WrongKeys(
            f"there is a database {database}, but not the file {path} with the key to its secrets; "
            f"put the file back, or set {ENCRYPTION_KEY}"
        )
    database.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    made = not path.exists() and files.create(path, _first_text(env))
    kept = _read(path)
    supplied = {name: kept[name] for name in (JWT_SECRET, ENCRYPTION_KEY) if not env.get(name, "").strip()}
    complete = {**env, **supplied}
    if _fingerprint(complete[ENCRYPTION_KEY]) not in (kept[CHECK], None):
        raise WrongKeys(
            f"the database {database} was encrypted with another key than that of "
            f"{ENCRYPTION_KEY if has_key else path}; set {ENCRYPTION_KEY} to the one that was set before"
            + (", or unset it if it was not set" if has_key else "")
        )
    return Supplied(complete, path if made else None)


def _first_text(env: Mapping[str, str]) -> str:
    key = base64.b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode()
    used = env.get(ENCRYPTION_KEY, "").strip() or key
    return (
        f"{_HEADER}{JWT_SECRET}={secrets.token_urlsafe(32)}\n{ENCRYPTION_KEY}={key}\n"
        f"{CHECK}={_fingerprint(used) or ''}\n"
    )


def _read(path: Path) -> Mapping[str, str]:
    """What the file says.

    Raises:
        WrongKeys: A line is missing.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    missing = [name for name in (JWT_SECRET, ENCRYPTION_KEY, CHECK) if name not in kept]
    if missing:
        raise WrongKeys(f"the file {path} is damaged: it has no {missing[0]}; put back the one that was made")
    return kept


def _fingerprint(key: str) -> str | None:
    """Tells keys apart and gives none away; None for a text that is no key, which is reported elsewhere."""
    try:
        return hashlib.sha256(base64.b64decode(key.strip(), validate=True)).hexdigest()
    except binascii.Error:
        return None
