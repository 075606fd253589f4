"""Partial updates: operations on the properties of a document, and the condition under which they happen."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tests.emulators.cosmos.account import Container
from tests.emulators.cosmos.refusals import CONDITION_FALSE, Refused, bad
from tests.emulators.cosmos.sql.evaluation import Evaluation, evaluation
from tests.emulators.cosmos.sql.parser import CACHED_QUERIES, condition_of
from tests.emulators.cosmos.sql.text import Word, cut
from tests.emulators.cosmos.sql.values import KINDS, NUMBER, UNDEFINED

MAX_OPERATIONS = 10
PRECONDITION_FAILED = 412
UNTOUCHABLE = {"id", "_rid", "_self", "_etag", "_ts", "_attachments"}


class Operation(msgspec.Struct, rename={"from_": "from"}, forbid_unknown_fields=True):
    """One change of one property."""

    op: Literal["add", "set", "replace", "remove", "incr", "increment", "move"]
    path: str
    value: Any = msgspec.UNSET
    from_: str | None = None


class Patch(msgspec.Struct, forbid_unknown_fields=True):
    """What a request to patch says."""

    operations: list[Operation]
    condition: str | None = None


def apply(patch: Patch, content: dict[str, Any], container: Container) -> None:
    """Change a document.

    Raises:
        Refused: The condition is not true, or an operation cannot be done; then nothing of it may be kept.
    """
    if not 0 < len(patch.operations) <= MAX_OPERATIONS:
        raise bad(f"A patch has 1 to {MAX_OPERATIONS} operations, not {len(patch.operations)}")
    if patch.condition is not None:
        _check(patch.condition, content)
    for operation in patch.operations:
        _operate(operation, content, container)


def _check(condition: str, content: Mapping[str, Any]) -> None:
    words, literals = cut(condition)
    if _condition(words)(content, literals) is not True:
        raise Refused(
            PRECONDITION_FAILED,
            "One of the specified pre-condition is not met: the condition of the patch is not true",
            CONDITION_FALSE,
        )


@lru_cache(maxsize=CACHED_QUERIES)
def _condition(words: tuple[Word, ...]) -> Evaluation:
    return evaluation(condition_of(words))


def _operate(operation: Operation, content: dict[str, Any], container: Container) -> None:
    steps = _steps(operation.path, container)
    value = operation.value
    if operation.op == "move":
        value = _removed(content, _steps(operation.from_ or "", container), operation.from_ or "")
    elif operation.op == "remove":
        _removed(content, steps, operation.path)
        return
    elif value is msgspec.UNSET:
        raise bad(f"The operation {operation.op} on {operation.path} needs a value")
    if operation.op in {"incr", "increment"}:
        value = _sum(content, steps, operation)
    _put(content, steps, value, operation)


def _put(content: dict[str, Any], steps: Sequence[str], value: object, operation: Operation) -> None:
    parent, last = _parent(content, steps, operation.path), steps[-1]
    if isinstance(parent, dict):
        if operation.op == "replace" and last not in parent:
            raise bad(f"For replace Operation, path({operation.path}) does not exist")
        parent[last] = value
    elif operation.op in {"add", "move"}:
        parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1, operation.path), value)
    else:
        parent[_index(last, len(parent), operation.path)] = value


def _removed(content: dict[str, Any], steps: Sequence[str], path: str) -> object:
    parent, last = _parent(content, steps, path), steps[-1]
    if isinstance(parent, list):
        return parent.pop(_index(last, len(parent), path))
    if last not in parent:
        raise bad(f"For Remove Operation, path({path}) to be removed is absent")
    return parent.pop(last)


def _sum(content: dict[str, Any], steps: Sequence[str], operation: Operation) -> object:
    parent, last = _parent(content, steps, operation.path), steps[-1]
    if isinstance(parent, list):
        before = parent[_index(last, len(parent), operation.path)]
    else:
        before = parent.get(last, UNDEFINED)
    if KINDS.get(type(operation.value)) != NUMBER or (
        before is not UNDEFINED and KINDS[type(before)] != NUMBER
    ):
        raise bad(f"For incr Operation, path({operation.path}) and the value must be numbers")
    return operation.value if before is UNDEFINED else before + operation.value


def _parent(content: dict[str, Any], steps: Sequence[str], path: str) -> dict[str, Any] | list[Any]:
    parent: Any = content
    for step in steps[:-1]:
        if isinstance(parent, list):
            parent = parent[_index(step, len(parent), path)]
        else:
            parent = parent.get(step) if isinstance(parent, dict) else None
    if not isinstance(parent, dict | list):
        raise bad(f"The parent of path({path}) does not exist, or holds no properties")
    return parent


def _index(step: str, end: int, path: str) -> int:
    if not step.isdecimal() or int(step) >= end:
        raise bad(f"The index in path({path}) is out of bounds")
    return int(step)


def _steps(path: str, container: Container) -> Sequence[str]:
    if not path.startswith("/") or path == "/":
        raise bad(f"The path {path!r} must begin with / and name a property")
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    if steps[0] in UNTOUCHABLE or any(steps == key[: len(steps)] for key in container.key_paths):
        raise bad(
            f"The path {path} cannot be patched: it belongs to the id, the partition key or the service"
        )
    return steps
