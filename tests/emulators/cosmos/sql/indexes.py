"""What a container's indexing policy serves, and what it does not.

The service would answer some of what is refused here, by reading every document. A query that does so is a
mistake in the query or in the policy, and it shall show in a test and not on the bill.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.emulators.cosmos.refusals import bad, unknown
from tests.emulators.cosmos.sql.tree import Aggregate, Call, Compared, Joined, Order, Path, Query, paths_of

ELEMENTS = "[]"
ALWAYS_INDEXED = {("id",), ("_ts",)}
KNOWN_SETTINGS = {"indexingMode", "automatic", "includedPaths", "excludedPaths", "compositeIndexes"}
DEFAULT = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [],
}
ETAG_EXCLUDED = {"path": '/"_etag"/?'}
"""What the service adds to the excluded paths of every policy."""

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Composite:
    """One composite index: its fields in order, and whether each descends."""

    fields: tuple[tuple[Steps, bool], ...]

    def serves(self, order: Sequence[Order]) -> bool:
        """Whether it sorts so, read from its beginning or from its end."""
        wanted = tuple((_steps(one.path), one.descending) for one in order)
        return wanted in {self.fields, tuple((steps, not descending) for steps, descending in self.fields)}


@dataclass(frozen=True, eq=False)
class IndexingPolicy:
    """An indexing policy as it is sent and answered."""

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> "IndexingPolicy":
        """Read the policy of a container's definition.

        Raises:
            Refused: It says something that the emulator does not know, or nothing about the root.
        """
        policy = {**DEFAULT, **(settings or {})}
        if strange := policy.keys() - KNOWN_SETTINGS:
            raise unknown(f"{', '.join(sorted(strange))} in an indexing policy")
        if policy["indexingMode"] != "consistent" or policy["automatic"] is not True:
            raise unknown("an indexing policy that is not consistent and automatic")
        if ETAG_EXCLUDED not in policy["excludedPaths"]:
            policy["excludedPaths"] = [*policy["excludedPaths"], ETAG_EXCLUDED]
        read = cls(policy)
        if ("*",) not in read._patterns:
            raise bad(
                'The special mandatory indexing path "/" is not provided in any of the path type sets. '
                "Write /* among the included or the excluded paths."
            )
        return read

    @cached_property
    def _patterns(self) -> Mapping[Steps, bool]:
        excluded = {_pattern(one["path"]): False for one in self.settings["excludedPaths"]}
        return excluded | {_pattern(one["path"]): True for one in self.settings["includedPaths"]}

    @cached_property
    def _composites(self) -> Sequence[Composite]:
        return [
            Composite(tuple((_steps_of(one["path"]), one.get("order") == "descending") for one in fields))
            for fields in self.settings.get("compositeIndexes", ())
        ]

    def indexes(self, steps: Steps) -> bool:
        """Whether a property is indexed. The pattern that says most about it decides."""
        if steps in ALWAYS_INDEXED:
            return True
        patterns = [(*steps, "?"), *((*steps[:length], "*") for length in range(len(steps), -1, -1))]
        return next((self._patterns[one] for one in patterns if one in self._patterns), False)

    def check(self, query: Query) -> None:
        """Let a query pass whose condition and order the indexes serve.

        Raises:
            Refused: They do not.
        """
        for path in paths_of(query.where):
            self._check_indexed("WHERE", _steps(path))
        for elements in _searched_lists(query.where):
            self._check_indexed("ARRAY_CONTAINS", (*_steps(elements), ELEMENTS))
        for one in query.order:
            self._check_indexed("ORDER BY", _steps(one.path))
        if len(query.order) > 1 and not any(one.serves(query.order) for one in self._composites):
            raise bad(
                "The order by query does not have a corresponding composite index that it can be served from."
            )

    def check_in_partition(self, query: Query, key_paths: Sequence[Steps]) -> None:
        """Let a query of one partition pass, for which the service looks at no other.

        If everything is indexed the order may be any: whoever has named what is shall have thought of it.

        Raises:
            Refused: The partition key is not indexed, or no index has the documents alone in this order.
        """
        for steps in key_paths:
            self._check_indexed("A query of one partition", steps)
        if not query.order or self.indexes(()):
            return
        first = _steps(query.order[0].path)
        if first not in _fixed(query.where):
            raise bad(
                f"Sorted by /{'/'.join(first)}, those of all other partitions are looked at, too: sort first "
                "by what the condition fixes, such as the partition key"
            )

    def _check_indexed(self, where: str, steps: Steps) -> None:
        if not self.indexes(steps):
            raise bad(f"{where} looks at /{'/'.join(steps)}, which the container's indexing policy excludes")


def _searched_lists(node: object) -> list[Path]:
    """The properties that are given to ARRAY_CONTAINS."""
    if isinstance(node, Call) and node.name == "ARRAY_CONTAINS":
        return [one for one in node.arguments[:1] if isinstance(one, Path)]
    if isinstance(node, Call | Aggregate):
        return []
    parts = getattr(node, "parts", ()) or (getattr(node, "of", None),)
    return [path for part in parts if part is not None for path in _searched_lists(part)]


def _fixed(condition: object) -> set[Steps]:
    """The properties of which a condition says what they are."""
    if isinstance(condition, Joined) and condition.word == "AND":
        return {steps for part in condition.parts for steps in _fixed(part)}
    if isinstance(condition, Compared) and condition.sign == "=" and isinstance(condition.left, Path):
        return {_steps(condition.left)}
    return set()


def _steps(path: Path) -> Steps:
    return tuple(str(step) for step in path.steps)


def _pattern(path: str) -> Steps:
    """The steps of an included or excluded path, of which the last is `?` (this value) or `*` (all below)."""
    steps = _steps_of(path)
    if not steps or steps[-1] not in {"?", "*"} or "*" in steps[:-1]:
        raise bad(f"The indexing path '{path}' could not be accepted: it must end in /? or /*")
    return steps


def _steps_of(path: str) -> Steps:
    if not path.startswith("/"):
        raise bad(f"The indexing path '{path}' could not be accepted: it must begin with /")
    return tuple(step.strip('"') for step in path[1:].split("/"))
