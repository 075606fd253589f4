"""A query as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Given:
    """A literal or a parameter, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """`null`, `true`, `false` or `undefined`."""

    value: object


@dataclass(frozen=True, slots=True)
class Path:
    """A property of the document, as the steps to it; without steps, the document."""

    steps: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values; its name is in capitals."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two values and `=`, `!=`, `<`, `>`, `<=` or `>=` between them."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions and `AND` or `OR` between them."""

    word: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    of: Node


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of values, as in `[1, 2]`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Shaped:
    """An object, as in `{"a": c.b}`, or the columns of a projection."""

    parts: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`COUNT`, `SUM`, `MIN` or `MAX` over what the condition selects."""

    name: str
    of: Node


Node = Given | Constant | Path | Call | Compared | Joined | Not | Listed | Shaped


@dataclass(frozen=True, slots=True)
class Order:
    """One field of `ORDER BY`."""

    path: Path
    descending: bool


@dataclass(frozen=True, eq=False)
class Query:
    """A whole query.

    Attributes:
        selects: What becomes of a document; None leaves it as it is.
        names_columns: Whether the result is an object of columns, as without `VALUE`.
        where: What must be true of a document.
        order: By which fields the results are sorted.
        top: How many results there are at most.
        skips: How many results are left out.
        limit: How many results there are after those that were left out.
    """

    selects: Node | Aggregate | None = None
    names_columns: bool = False
    where: Node | None = None
    order: tuple[Order, ...] = field(default=())
    top: Node | None = None
    skips: Node | None = None
    limit: Node | None = None

    @property
    def aggregate(self) -> Aggregate | None:
        """What it counts or sums up, if it does."""
        return self.selects if isinstance(self.selects, Aggregate) else None

    @property
    def needs_a_plan(self) -> bool:
        """Whether the results of several ranges must be put together by somebody who knows how."""
        return bool(self.order or self.aggregate or self.top or self.limit)


def paths_of(node: Node | Aggregate | None) -> list[Path]:
    """Every property that an expression looks at."""
    match node:
        case Path():
            return [node]
        case Call(arguments=parts) | Joined(parts=parts) | Listed(parts=parts):
            return [path for part in parts for path in paths_of(part)]
        case Compared():
            return paths_of(node.left) + paths_of(node.right)
        case Not() | Aggregate():
            return paths_of(node.of)
        case Shaped():
            return [path for _, part in node.parts for path in paths_of(part)]
    return []
