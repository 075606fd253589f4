"""Reading bodies: JSON, of a shape, with no field given twice."""

import re
from collections import Counter
from typing import Generic, TypeVar

import msgspec

from functions.api.errors import JSON_DECODE
from shared.domain.errors import Invalid

Body = TypeVar("Body", bound=msgspec.Struct)

_pairs = msgspec.json.Decoder(dict[str, msgspec.Raw])
ROOT = ("body", "", "")
"""Where an error is that no single field is to blame for."""

MISSING = "the body is missing: send a JSON object, whose fields are listed at /docs"


class BodyReader(Generic[Body]):
    """Reads bodies of one shape. The Content-Type is not looked at, and unknown fields are ignored."""

    def __init__(self, kind: type[Body]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        names = "|".join(re.escape(field.encode_name) for field in msgspec.structs.fields(kind))
        self._names = re.compile(rf'"({names})"\s*:'.encode()).findall

    def read(self, body: bytes) -> Body:
        """Read a body.

        Raises:
            Invalid: It is not JSON, not of this shape, or gives a field twice.
        """
        value = self.decode(body)
        self.refuse_repeats(body)
        return value

    def decode(self, body: bytes) -> Body:
        """Read a body; of a field that is given twice, the last is taken.

        Raises:
            Invalid: It is not JSON, or not of this shape.
        """
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError as wrong:
            if not body.strip():
                raise Invalid(ROOT, MISSING, JSON_DECODE) from wrong
            raise Invalid(*_place_and_rule(str(wrong)), JSON_DECODE) from wrong
        except UnicodeDecodeError as wrong:
            raise Invalid(ROOT, "the body is not UTF-8", JSON_DECODE) from wrong
        except RecursionError as wrong:
            raise Invalid(ROOT, "the body is nested too deeply", JSON_DECODE) from wrong

    def refuse_repeats(self, body: bytes, apart: msgspec.Raw | None = None) -> None:
        """Refuse a body that gives a field twice.

        Args:
            body: One that `decode` has read.
            apart: A large value in it that need not be searched.

        Raises:
            Invalid: Some field is given twice.
        """
        found = self._names(body if apart is None else _without(body, apart))
        if len(found) > len(set(found)):
            self._look_closer(body)

    def _look_closer(self, body: bytes) -> None:
        """A name occurs twice: perhaps only once on the outermost level, and again inside some value.

        Raises:
            Invalid: No, on the outermost level.
        """
        try:
            values = _pairs.decode(body).values()
        except UnicodeDecodeError as wrong:
            raise Invalid(ROOT, "the body is not UTF-8", JSON_DECODE) from wrong
        outermost = Counter(self._names(body))
        for value in values:
            outermost.subtract(self._names(bytes(value)))
        for name, count in outermost.items():
            if count > 1:
                raise Invalid(ROOT, f"duplicate field `{name.decode()}`", JSON_DECODE)


def _without(body: bytes, apart: msgspec.Raw) -> bytes:
    cut = memoryview(apart)
    start = body.find(cut)
    return b"%b %b" % (body[:start], body[start + len(cut) :])


def _place_and_rule(text: str) -> tuple[tuple[str, ...], str]:
    """Where msgspec says that the error is, and what it is."""
    rule, _, place = text.partition(" - at `$")
    # Of a key inside an object it says only `[...]`.
    parts = tuple(part for part in place.rstrip("`").replace("[...]", "").split(".") if part)
    return (("body", *parts) if parts else ROOT), rule
