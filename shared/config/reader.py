"""Reads settings out of an environment, and keeps what is wrong until all of them have been read."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

PREFIX = "HELIOGRAPH_"
"""What the names of our own settings begin with; other names are the platform's."""

Value = TypeVar("Value")

# A connection string, or a URL that lets in whoever has it, in a place where none belongs.
_LETS_IN = "(?i)(key|sig|secret|password) *="

# Azure puts the secret in its place. Where it cannot, this stays: a secret that anybody could guess.
_REFERENCE = "@Microsoft.KeyVault("
_UNRESOLVED = "a reference to Key Vault that Azure has not resolved"
SECRETS_ROLE = "Key Vault Secrets User"
_RESOLVABLE = (
    f"it for a secret that is there, and give the app's managed identity the role {SECRETS_ROLE} on the vault"
)


@dataclass(eq=False)
class WrongSetting(Exception):
    """A setting has a value that we cannot use.

    Attributes:
        name: The environment variable.
        got: What it says; for a secret only a description.
        want: What to write instead.
    """

    name: str
    got: str
    want: str

    def __str__(self) -> str:
        return f"{self.name} is {self.got}; write {self.want}"


@dataclass(eq=False)
class WrongSettings(Exception):
    """One or more settings are wrong; each says what to write instead."""

    wrong: tuple[WrongSetting, ...]

    def __str__(self) -> str:
        return "\n".join(str(setting) for setting in self.wrong)


class Reader:
    """Reads settings one by one.

    A parser takes the text and returns the value, or raises ValueError with what to write instead.
    """

    def __init__(
        self, env: Mapping[str, str], *, secrets: Collection[str], may_be_empty: Collection[str]
    ) -> None:
        """Read from an environment.

        Args:
            env: Names and texts.
            secrets: Those whose value is never shown, nor trimmed.
            may_be_empty: Those that say something by being empty; an empty text of all others is not there.
        """
        self._env = env
        self._secrets = secrets
        self._may_be_empty = may_be_empty
        self._wrong: list[WrongSetting] = []

    def is_set(self, name: str) -> bool:
        """Whether something stands there."""
        text = self._env.get(name)
        return text is not None and (bool(text.strip()) or name in self._may_be_empty)

    def read(self, name: str, parse: Callable[[str], Value], *, default: Value) -> Value:
        """Read one that may be missing."""
        return self._parsed(name, parse, default) if self.is_set(name) else default

    def require(self, name: str, parse: Callable[[str], Value], *, want: str, meanwhile: Value) -> Value:
        """Read one that must be there; `meanwhile` stands in for it until `finish` raises."""
        if self.is_set(name):
            return self._parsed(name, parse, meanwhile)
        self.refuse(name, "not set", want)
        return meanwhile

    def refuse(self, name: str, got: str, want: str) -> None:
        """Have `finish` say that one is wrong."""
        self._wrong.append(WrongSetting(name, got, want))

    def finish(self) -> None:
        """Say what was wrong.

        Raises:
            WrongSettings: Something was.
        """
        if self._wrong:
            raise WrongSettings(tuple(self._wrong))

    def _parsed(self, name: str, parse: Callable[[str], Value], meanwhile: Value) -> Value:
        text = self._env[name]
        if text.startswith(_REFERENCE):
            self.refuse(name, _UNRESOLVED, _RESOLVABLE)
            return meanwhile
        is_secret = name in self._secrets
        try:
            return parse(text if is_secret else text.strip())
        except ValueError as wrong:
            is_hidden = is_secret or re.search(_LETS_IN, text)
            got = f"a text of {len(text)} characters that does not fit" if is_hidden else repr(text)
            self.refuse(name, got, str(wrong))
            return meanwhile


def parts(text: str) -> dict[str, str]:
    """The parts of a connection string, `Name=value;…`, by their names in small letters."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
