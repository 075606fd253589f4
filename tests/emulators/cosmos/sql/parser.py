"""The grammar: words in, a tree out. What is not known here is refused, never guessed at."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from tests.emulators.cosmos.refusals import Refused, bad, unknown
from tests.emulators.cosmos.sql.functions import AGGREGATES, FUNCTIONS
from tests.emulators.cosmos.sql.text import Word
from tests.emulators.cosmos.sql.tree import (
    Aggregate,
    Call,
    Compared,
    Constant,
    Given,
    Joined,
    Listed,
    Node,
    Not,
    Order,
    Path,
    Query,
    Shaped,
)
from tests.emulators.cosmos.sql.values import UNDEFINED

CACHED_QUERIES = 1024
CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False, "UNDEFINED": UNDEFINED}
SIGNS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
RESERVED = {
    *("SELECT", "FROM", "WHERE", "ORDER", "BY", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "TOP", "VALUE"),
    *("DISTINCT", "OFFSET", "LIMIT", "GROUP", "JOIN", "AS", "EXISTS", "ESCAPE", "ASC", "DESC"),
    *CONSTANTS,
}


@lru_cache(maxsize=CACHED_QUERIES)
def query_of(words: tuple[Word, ...]) -> Query:
    """A `SELECT`.

    Raises:
        Refused: It is wrong, or uses what the emulator does not know.
    """
    return _Parser(words).query()


@lru_cache(maxsize=CACHED_QUERIES)
def condition_of(words: tuple[Word, ...]) -> Node:
    """The condition of a patch: `FROM c WHERE ...`.

    Raises:
        Refused: It is wrong, or uses what the emulator does not know.
    """
    return _Parser(words).condition()


class _Parser:
    def __init__(self, words: tuple[Word, ...]) -> None:
        self._words = words
        self._at = 0
        self._root = self._alias()

    # Walking along the words.

    def _alias(self) -> str:
        """Under which name the document goes: it is said at the end and used from the beginning."""
        for at, (kind, word) in enumerate(self._words):
            if kind == "name" and word.upper() == "FROM":
                after = self._words[at + 1 :]
                if ("name", "JOIN") in {(kind, word.upper()) for kind, word in after}:
                    raise unknown("JOIN")
                if after[0][0] != "name" or after[0][1].upper() in RESERVED:
                    break
                named = after[1] == ("name", after[1][1]) and after[1][1].upper()
                if named == "AS":
                    return after[2][1]
                return after[1][1] if named and named not in RESERVED else after[0][1]
        raise bad("Syntax error: write FROM and a name for the document, as in: SELECT * FROM c")

    def _next(self) -> Word:
        word = self._words[self._at]
        self._at += 1
        return word

    def _takes(self, *names: str) -> bool:
        """Whether these names come next, in any case; then they are behind us."""
        coming = self._words[self._at : self._at + len(names)]
        if tuple(word.upper() for kind, word in coming if kind == "name") != names:
            return False
        self._at += len(names)
        return True

    def _takes_sign(self, sign: str) -> bool:
        if self._words[self._at] != ("sign", sign):
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._takes_sign(sign):
            raise self._wrong(f"{sign!r} expected")

    def _wrong(self, what: str) -> Refused:
        text = " ".join(word for _, word in self._words)
        return bad(f"Syntax error, incorrect syntax near {self._words[self._at][1]!r} ({what}) in: {text}")

    def _end(self) -> None:
        for name in ("GROUP", "JOIN", "IN", "ORDER"):
            if self._takes(name):
                raise unknown(f"{name} here in a query")
        if self._words[self._at][0] != "end":
            raise self._wrong("the end expected")

    # The parts of a query, in the order in which they come.

    def query(self) -> Query:
        if not self._takes("SELECT"):
            raise self._wrong("SELECT expected")
        if self._takes("DISTINCT"):
            raise unknown("SELECT DISTINCT")
        top = self._count() if self._takes("TOP") else None
        selects, names_columns = self._selection()
        self._source()
        where = self._expression() if self._takes("WHERE") else None
        order = self._order() if self._takes("ORDER", "BY") else ()
        skips = limit = None
        if self._takes("OFFSET"):
            skips = self._count()
            if not self._takes("LIMIT"):
                raise self._wrong("LIMIT expected")
            limit = self._count()
        self._end()
        if top is not None and limit is not None:
            raise bad("TOP and OFFSET LIMIT cannot be used together")
        return Query(selects, names_columns, where, order, top, skips, limit)

    def condition(self) -> Node:
        self._source()
        if not self._takes("WHERE"):
            raise self._wrong("WHERE expected")
        condition = self._expression()
        self._end()
        return condition

    def _source(self) -> None:
        if not self._takes("FROM"):
            raise self._wrong("FROM expected")
        self._next()
        if self._takes("AS") or self._words[self._at] == ("name", self._root):
            self._next()
        if (
            self._words[self._at] in {("sign", "."), ("sign", ",")}
            or self._takes("JOIN")
            or self._takes("IN")
        ):
            raise unknown("FROM with anything but one name: no joins, no parts of a document")

    def _selection(self) -> tuple[Node | Aggregate | None, bool]:
        if self._takes_sign("*"):
            return None, False
        if self._takes("VALUE"):
            return self._selected_value(), False
        columns = [self._column()]
        while self._takes_sign(","):
            columns.append(self._column())
        return Shaped(tuple(columns)), True

    def _selected_value(self) -> Node | Aggregate:
        kind, word = self._words[self._at]
        if kind == "name" and word.upper() in AGGREGATES and self._words[self._at + 1] == ("sign", "("):
            self._at += 2
            of = self._expression()
            self._expect(")")
            return Aggregate(word.upper(), of)
        return self._expression()

    def _column(self) -> tuple[str, Node]:
        column = self._expression()
        if self._takes("AS"):
            kind, name = self._next()
            if kind != "name" or name.upper() in RESERVED:
                self._at -= 1
                raise self._wrong("a name that is no word of the language expected")
            return name, column
        if not isinstance(column, Path) or (column.steps and not isinstance(column.steps[-1], str)):
            raise unknown("a column without a name: write AS and a name behind it")
        return str(column.steps[-1]) if column.steps else self._root, column

    def _order(self) -> tuple[Order, ...]:
        fields = [self._order_field()]
        while self._takes_sign(","):
            fields.append(self._order_field())
        return tuple(fields)

    def _order_field(self) -> Order:
        path = self._value()
        if not isinstance(path, Path) or not path.steps:
            raise bad("ORDER BY takes properties of the document, as in: ORDER BY c.id")
        descending = self._takes("DESC")
        if not descending:
            self._takes("ASC")
        return Order(path, descending)

    def _count(self) -> Node:
        kind, name = self._next()
        if kind != "given":
            raise self._wrong("a number or a parameter expected")
        return Given(name)

    # Expressions, the loosest first.

    def _expression(self) -> Node:
        return self._joined("OR", lambda: self._joined("AND", self._negated))

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._takes(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _negated(self) -> Node:
        return Not(self._negated()) if self._takes("NOT") else self._compared()

    def _compared(self) -> Node:
        left = self._value()
        kind, sign = self._words[self._at]
        if kind == "sign" and sign in SIGNS:
            self._at += 1
            return _comparison(SIGNS[sign], left, self._value())
        negated = self._takes("NOT")
        if self._takes("IN"):
            return _perhaps_not(negated, Call("IN", (left, *self._list("(", ")"))))
        if self._takes("BETWEEN"):
            return _perhaps_not(negated, self._between(left))
        if self._takes("LIKE"):
            raise unknown("LIKE: write STARTSWITH, ENDSWITH or CONTAINS")
        if negated:
            raise self._wrong("IN or BETWEEN expected")
        return left

    def _between(self, value: Node) -> Node:
        low = self._value()
        if not self._takes("AND"):
            raise self._wrong("AND expected")
        return Joined("AND", (Compared(">=", value, low), Compared("<=", value, self._value())))

    def _list(self, opening: str, closing: str) -> list[Node]:
        self._expect(opening)
        parts: list[Node] = []
        while not self._takes_sign(closing):
            if parts:
                self._expect(",")
            parts.append(self._expression())
        return parts

    def _value(self) -> Node:
        kind, word = self._words[self._at]
        if kind == "given":
            self._at += 1
            return Given(word)
        if kind == "name":
            return self._named()
        if self._takes_sign("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if (kind, word) == ("sign", "["):
            return Listed(tuple(self._list("[", "]")))
        if self._takes_sign("-"):
            return Call("-", (self._value(),))
        raise self._wrong("a value expected")

    def _named(self) -> Node:
        _, word = self._next()
        if self._words[self._at] == ("sign", "("):
            name = word.upper()
            if name in AGGREGATES:
                raise unknown(f"{name} anywhere but in SELECT VALUE {name}(...)")
            if name not in FUNCTIONS:
                raise unknown(f"the function {word}")
            return Call(name, tuple(self._list("(", ")")))
        if word.upper() in CONSTANTS:
            return Constant(CONSTANTS[word.upper()])
        if word != self._root:
            raise bad(f"Identifier '{word}' could not be resolved; the document is called '{self._root}'")
        return Path(tuple(self._steps()))

    def _steps(self) -> Iterator[str | int]:
        while True:
            if self._takes_sign("."):
                kind, step = self._next()
                if kind != "name":
                    raise self._wrong("the name of a property expected")
                if step.upper() in RESERVED:
                    self._at -= 1
                    raise self._wrong(f'a word of the language; write ["{step}"] without the dot')
                yield step
            elif self._takes_sign("["):
                kind, step = self._next()
                if kind != "step":
                    raise unknown("elements of lists by their number; write the name of a property in quotes")
                self._expect("]")
                yield step
            else:
                return


def _perhaps_not(negated: bool, node: Node) -> Node:  # noqa: FBT001
    return Not(node) if negated else node


def _comparison(sign: str, left: Node, right: Node) -> Node:
    if sign != "=" and Constant(None) in {left, right}:
        raise unknown(f"{sign} with null, whose result the service leaves open: write IS_NULL or IS_DEFINED")
    return Compared(sign, left, right)
