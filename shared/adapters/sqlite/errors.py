"""Why a database cannot be opened. All of them are told to a person who starts the service."""

from dataclasses import dataclass
from pathlib import Path

from shared.domain.errors import HeliographError


@dataclass(eq=False)
class CannotOpen(HeliographError):
    """The file cannot be created, read or written, or is something else.

    Attributes:
        path: The database file.
        why: What the system said.
    """

    path: Path
    why: str

    def __str__(self) -> str:
        return f"the database {self.path} cannot be opened: {self.why}"


@dataclass(eq=False)
class DatabaseInUse(CannotOpen):
    """Another process owns the file.

    Attributes:
        pid: Its process id, if it has written it down.
    """

    pid: int | None

    def __str__(self) -> str:
        owner = "another process" if self.pid is None else f"process {self.pid}"
        return f"the database {self.path} is in use by {owner}; stop it, or choose another file"


@dataclass(eq=False)
class NewerSchema(CannotOpen):
    """A newer release has written the file."""

    found: int
    known: int

    def __str__(self) -> str:
        return (
            f"the database {self.path} was written by a newer release: "
            f"its schema is {self.found}, this release knows {self.known}; run the newer release"
        )
