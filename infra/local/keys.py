"""The settings, with the secrets that a first start makes so that nothing must be set up.

They are kept in a file beside the database, `heliograph.db.keys`:

    HELIOGRAPH_JWT_SECRET=…         signs tokens
    HELIOGRAPH_ENCRYPTION_KEY=…     encrypts endpoint secrets in the database
    ENCRYPTION_KEY_SHA256=…         the key that the database is really used with

The file is written once, by the service: commands that speak with one make nothing where there is none. What
is set in the environment wins over it. The last line catches the mistake that would hurt most: a database
whose endpoint secrets nobody can read any more, noticed one delivery at a time.

On Azure's profile none are made: what lies there is shared by several processes, and so must be the secrets.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local import files
from shared.config import (
    DATABASE,
    DEFAULT_DATABASE,
    ENCRYPTION_KEY,
    ENCRYPTION_KEY_BYTES,
    JWT_SECRET,
    Settings,
)
from shared.config.azure import CHOOSING

CHECK = "ENCRYPTION_KEY_SHA256"
OWNER_ONLY = 0o700
SQLITE = b"SQLite format 3\x00"
"""What every file of SQLite begins with."""

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
class Ready:
    """Everything that is set.

    Attributes:
        made: The file of secrets, if it was made just now.
    """

    settings: Settings
    made: Path | None


def read(env: Mapping[str, str]) -> Ready:
    """Read the settings; secrets that are not set come from the file, which the first start makes.

    Raises:
        WrongSettings: At least one is wrong; nothing was made.
        WrongKeys: The database was encrypted with another key, or with one that is gone.
        OSError: The file cannot be read, or cannot be made.
    """
    if _is_on_azure(env):
        return Ready(Settings.read(env), None)
    database, path = _places(env)
    kept = _read(path) if path.exists() else None
    known = kept or _fresh()
    settings = _settings(env, known)
    is_key_set = _is_set(env, ENCRYPTION_KEY)
    used = hashlib.sha256(settings.encryption_key).hexdigest()
    if kept is None:
        if database.is_dir():
            inside = database / DEFAULT_DATABASE.name
            raise WrongKeys(f"{database} is a folder; set {DATABASE} to a file in it, such as {inside}")
        if database.exists() and not _is_database(database):
            raise WrongKeys(f"{database} is no database; set {DATABASE} to another file")
        if database.exists() and not is_key_set:
            raise WrongKeys(
                f"there is a database {database}, but not the file {path} with the key to its secrets; "
                f"put the file back, or set {ENCRYPTION_KEY}"
            )
        # Another process that starts at the same moment may be first; then its secrets are the ones.
        return Ready(settings, path) if _write(path, known, used) else read(env)
    if kept[CHECK] != used:
        raise WrongKeys(
            f"the database {database} is encrypted with another key than that of "
            f"{ENCRYPTION_KEY if is_key_set else path}; "
            f"set {ENCRYPTION_KEY} to the one that the database was made with"
            + (", or leave it unset if it was not set then" if is_key_set else "")
        )
    return Ready(settings, None)


def of_a_service(env: Mapping[str, str]) -> Settings:
    """Read the settings for speaking with a service, which takes what signs its tokens; nothing is made.

    Raises:
        WrongSettings: At least one is wrong.
        WrongKeys: No service was started here yet; or as `read`.
        OSError: The file cannot be read.
    """
    _, path = _places(env)
    if _is_on_azure(env) or path.exists():
        return read(env).settings
    settings = _settings(env, _fresh())
    if not _is_set(env, JWT_SECRET):
        raise WrongKeys(
            f"no service was started here, for there is no {path}; run this in the folder where one was, "
            f"set {DATABASE} to the file that it uses, or {JWT_SECRET} to what signs its tokens"
        )
    return settings


def _is_on_azure(env: Mapping[str, str]) -> bool:
    return any(_is_set(env, name) for name in CHOOSING)


def _is_set(env: Mapping[str, str], name: str) -> bool:
    return bool(env.get(name, "").strip())


def _places(env: Mapping[str, str]) -> tuple[Path, Path]:
    """The database, and the file of secrets beside it."""
    database = Path(env.get(DATABASE, "").strip() or DEFAULT_DATABASE)
    return database, database.with_name(f"{database.name}.keys")


def _settings(env: Mapping[str, str], known: Mapping[str, str]) -> Settings:
    """The settings, with secrets that are known in place of those that are not set."""
    missing = {name: known[name] for name in (JWT_SECRET, ENCRYPTION_KEY) if not _is_set(env, name)}
    return Settings.read({**env, **missing})


def _is_database(path: Path) -> bool:
    """Whether a file is one of SQLite's, or empty as such a file is at first."""
    with path.open("rb") as file:
        return file.read(len(SQLITE)) in (SQLITE, b"")


def _fresh() -> Mapping[str, str]:
    return {
        JWT_SECRET: secrets.token_urlsafe(32),
        ENCRYPTION_KEY: base64.b64encode(secrets.token_bytes(ENCRYPTION_KEY_BYTES)).decode(),
    }


def _write(path: Path, made: Mapping[str, str], used: str) -> bool:
    """Write the file unless it is there; say whether it was not."""
    path.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    lines = (f"{name}={text}\n" for name, text in (*made.items(), (CHECK, used)))
    return files.create(path, _HEADER + "".join(lines))


def _read(path: Path) -> Mapping[str, str]:
    """What the file says.

    Raises:
        WrongKeys: A line is missing.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    missing = [name for name in (JWT_SECRET, ENCRYPTION_KEY, CHECK) if not kept.get(name)]
    if missing:
        raise WrongKeys(f"the file {path} is damaged: it has no {missing[0]}; put back the one that was made")
    return kept
