"""Expressions as functions of a document and of the literals and parameters by their names."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from tests.emulators.cosmos.refusals import bad
from tests.emulators.cosmos.sql.functions import called
from tests.emulators.cosmos.sql.tree import (
    Call,
    Compared,
    Constant,
    Given,
    Joined,
    Listed,
    Node,
    Not,
    Path,
    Shaped,
)
from tests.emulators.cosmos.sql.values import UNDEFINED, equal, less, opposite

Content = Mapping[str, object]
Givens = Mapping[str, object]
Evaluation = Callable[[Content, Givens], object]

CACHED_EXPRESSIONS = 4096


@lru_cache(maxsize=CACHED_EXPRESSIONS)
def evaluation(node: Node) -> Evaluation:  # noqa: C901, PLR0911  # one for each kind of node
    """The function that an expression is.

    It raises Refused if a parameter is missing or a function is called with too many or too few arguments.
    """
    match node:
        case Path(steps):
            return _path(steps)
        case Given(name):
            return _given(name)
        case Constant(value):
            return lambda _document, _givens: value
        case Compared(sign, left, right):
            return _comparison(sign, evaluation(left), evaluation(right))
        case Joined(word, parts):
            return _junction(decisive=word == "OR", parts=[evaluation(part) for part in parts])
        case Not(of):
            inner = evaluation(of)
            return lambda document, givens: opposite(inner(document, givens))
        case Call(name, parts):
            return _call(name, [evaluation(part) for part in parts])
        case Listed(parts):
            return _list([evaluation(part) for part in parts])
        case Shaped():
            return _shape([(name, evaluation(part)) for name, part in node.parts])


def _path(steps: tuple[str | int, ...]) -> Evaluation:
    if len(steps) == 1:
        only = str(steps[0])
        return lambda document, _: document.get(only, UNDEFINED)

    def reached(document: Content, _: Givens) -> object:
        value: object = document
        for step in steps:
            if not isinstance(value, dict):
                return UNDEFINED
            value = value.get(step, UNDEFINED)
        return value

    return reached


def _given(name: str) -> Evaluation:
    def given(_: Content, givens: Givens) -> object:
        if name not in givens:
            raise bad(f"The parameter {name} is used in the query and not given")
        return givens[name]

    return given


def _comparison(sign: str, left: Evaluation, right: Evaluation) -> Evaluation:
    match sign:
        case "=":
            return lambda document, givens: equal(left(document, givens), right(document, givens))
        case "!=":
            return lambda document, givens: opposite(equal(left(document, givens), right(document, givens)))
        case "<":
            return lambda document, givens: less(left(document, givens), right(document, givens))
        case ">":
            return lambda document, givens: less(right(document, givens), left(document, givens))
        case "<=":
            return lambda document, givens: opposite(less(right(document, givens), left(document, givens)))
    return lambda document, givens: opposite(less(left(document, givens), right(document, givens)))


def _junction(*, decisive: bool, parts: list[Evaluation]) -> Evaluation:
    """AND is false, and OR is true, as soon as one part is; else with a part that is neither, undefined."""

    def joined(document: Content, givens: Givens) -> object:
        result: object = not decisive
        for part in parts:
            value = part(document, givens)
            if value is decisive:
                return value
            if value.__class__ is not bool:
                result = UNDEFINED
        return result

    return joined


def _call(name: str, parts: list[Evaluation]) -> Evaluation:
    return lambda document, givens: called(name, [part(document, givens) for part in parts])


def _list(parts: list[Evaluation]) -> Evaluation:
    return lambda document, givens: [
        value for part in parts if (value := part(document, givens)) is not UNDEFINED
    ]


def _shape(parts: list[tuple[str, Evaluation]]) -> Evaluation:
    return lambda document, givens: {
        name: value for name, part in parts if (value := part(document, givens)) is not UNDEFINED
    }
