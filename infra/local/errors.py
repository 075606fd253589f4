"""What stops the embedded host, in a module that is quick to import."""

from dataclasses import dataclass


@dataclass(eq=False)
class Undrivable(Exception):
    """A registered function cannot be driven by this host.

    Attributes:
        function: Its name.
        why: What is in the way, and what to do about it.
    """

    function: str
    why: str

    def __str__(self) -> str:
        return f"the function {self.function!r} cannot be run here: {self.why}"
