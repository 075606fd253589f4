"""The functions that queries may call."""

from collections.abc import Callable, Mapping

from tests.emulators.cosmos.refusals import bad, unknown
from tests.emulators.cosmos.sql.values import BOOL, KINDS, LIST, NULL, NUMBER, OBJECT, TEXT, UNDEFINED, equal

AGGREGATES = {"COUNT", "SUM", "MIN", "MAX", "AVG"}


def _is(kind: int) -> Callable[[object], object]:
    return lambda value: KINDS.get(type(value)) == kind


def _of_texts(decide: Callable[[str, str], object]) -> Callable[..., object]:
    def decided(text: object, part: object, ignores_case: object = False) -> object:  # noqa: FBT002
        if not isinstance(text, str) or not isinstance(part, str):
            return UNDEFINED
        return decide(text.lower(), part.lower()) if ignores_case is True else decide(text, part)

    return decided


def _of_text(change: Callable[[str], object]) -> Callable[[object], object]:
    return lambda text: change(text) if isinstance(text, str) else UNDEFINED


def _array_contains(values: object, wanted: object, partly: object = False) -> object:  # noqa: FBT002
    if partly is not False:
        raise unknown("ARRAY_CONTAINS with a partial match")
    if not isinstance(values, list):
        return UNDEFINED
    return any(equal(value, wanted) is True for value in values)


def _in(value: object, *options: object) -> object:
    answers = [equal(value, option) for option in options]
    return True if True in answers else UNDEFINED if UNDEFINED in answers else False


def _negative(value: object) -> object:
    return -value if isinstance(value, int | float) and not isinstance(value, bool) else UNDEFINED


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "IN": _in,
    "-": _negative,
    "IS_DEFINED": lambda value: value is not UNDEFINED,
    "IS_NULL": _is(NULL),
    "IS_BOOL": _is(BOOL),
    "IS_NUMBER": _is(NUMBER),
    "IS_STRING": _is(TEXT),
    "IS_ARRAY": _is(LIST),
    "IS_OBJECT": _is(OBJECT),
    "ARRAY_CONTAINS": _array_contains,
    "ARRAY_LENGTH": lambda value: len(value) if isinstance(value, list) else UNDEFINED,
    "STARTSWITH": _of_texts(str.startswith),
    "ENDSWITH": _of_texts(str.endswith),
    "CONTAINS": _of_texts(lambda text, part: part in text),
    "LENGTH": _of_text(len),
    "LOWER": _of_text(str.lower),
    "UPPER": _of_text(str.upper),
}


def called(name: str, arguments: list[object]) -> object:
    """What a function makes of its arguments.

    Raises:
        Refused: There are too many or too few.
    """
    try:
        return FUNCTIONS[name](*arguments)
    except TypeError as error:
        raise bad(f"The {name} function does not take {len(arguments)} arguments") from error
