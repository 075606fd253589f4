"""Ids: a prefix that says what a thing is, and a KSUID that says when it was made.

A KSUID is 20 bytes written as 27 base-62 digits:

    bytes 0-3    whole seconds since `EPOCH`, big-endian
    byte 4       the tick within that second, 4 ms each, 0 to 249
    bytes 5-19   chance

The digits are in ASCII order and never shortened, so ids of one prefix sort bytewise as their instants do.
"""

from datetime import UTC, datetime, timedelta

ORGANIZATION = "org_"
APPLICATION = "app_"
ENDPOINT = "ep_"
EVENT_TYPE = "evtype_"
MESSAGE = "msg_"
ATTEMPT = "atmpt_"
BACKGROUND_TASK = "qtask_"

EPOCH = datetime.fromtimestamp(1_400_000_000, UTC)
TICK = timedelta(milliseconds=4)
DICE_BYTES = 15

_SECONDS_END = 2**32
_LATEST = EPOCH + timedelta(seconds=_SECONDS_END) - timedelta(microseconds=1)
_TICK_MICROSECONDS = 4_000
_DICE_BITS = 8 * DICE_BYTES
_DICE_ALL_ONES = 2**_DICE_BITS - 1
_KSUID_END = 2**160
_KSUID_DIGITS = 27

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_ALPHABET)}
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_TWO_DIGITS = 62**2
_FOUR_DIGITS = 62**4


def new_id(prefix: str, at: datetime, dice: bytes) -> str:
    """Make the id of a thing that comes into being.

    Args:
        prefix: What it is, such as `MESSAGE`.
        at: When it came into being, with a time zone; the thing's own timestamp says the same instant.
        dice: `DICE_BYTES` bytes that nobody can predict.

    Raises:
        ValueError: `at` lies before `EPOCH` or in 2150 or later, or there are more or fewer dice.
    """
    if len(dice) != DICE_BYTES:
        raise ValueError(f"an id takes {DICE_BYTES} bytes of chance, not {len(dice)}")
    return prefix + _digits(_ticks(at) << _DICE_BITS | int.from_bytes(dice))


def start_id(prefix: str, at: datetime) -> str:
    """The least id that a thing made in the tick of `at` can have.

    Raises:
        ValueError: `at` lies before `EPOCH` or in 2150 or later; `clamp` brings it into range.
    """
    return prefix + _digits(_ticks(at) << _DICE_BITS)


def end_id(prefix: str, at: datetime) -> str:
    """The greatest id that a thing made in the tick of `at` can have.

    Raises:
        ValueError: `at` lies before `EPOCH` or in 2150 or later; `clamp` brings it into range.
    """
    return prefix + _digits(_ticks(at) << _DICE_BITS | _DICE_ALL_ONES)


def clamp(at: datetime) -> datetime:
    """The instant nearest to `at` that an id can hold: a bound of a search may lie outside."""
    return min(max(at, EPOCH), _LATEST)


def instant_of(id_: str) -> datetime:
    """When the thing with this id was made, in UTC, rounded down to the tick.

    The prefix is not looked at. A plain KSUID has chance in the byte of the tick, so it may be a second off.

    Raises:
        ValueError: What follows the prefix is not a KSUID.
    """
    digits = id_.rpartition("_")[2]
    if len(digits) != _KSUID_DIGITS:
        raise ValueError(f"{id_!r} is not an id: after its prefix come {_KSUID_DIGITS} digits and letters")
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            raise ValueError(f"{id_!r} is not an id: write digits and letters instead of {digit!r}")
        number = number * 62 + value
    if number >= _KSUID_END:
        raise ValueError(f"{id_!r} is not an id: the greatest ends with aWgEPTl1tmebfsQzFP4bxwgy80V")
    seconds, tick = divmod(number >> _DICE_BITS, 256)
    return EPOCH + timedelta(seconds=seconds) + tick * TICK


def _ticks(at: datetime) -> int:
    """Bytes 0 to 4: seconds and tick of an instant.

    Raises:
        ValueError: They do not hold it.
    """
    age = at - EPOCH
    seconds = age.days * 86_400 + age.seconds
    if not 0 <= seconds < _SECONDS_END:
        raise ValueError(f"ids hold instants from {EPOCH} to {_LATEST}, not {at}")
    return seconds << 8 | age.microseconds // _TICK_MICROSECONDS


def _digits(number: int) -> str:
    """Write a KSUID's number in base 62.

    Written out, since every message needs two ids and a loop takes half as long again: four digits
    are the most that one division of a small integer yields, and a table turns them into text in pairs.
    """
    number, a = divmod(number, _FOUR_DIGITS)
    number, b = divmod(number, _FOUR_DIGITS)
    number, c = divmod(number, _FOUR_DIGITS)
    number, d = divmod(number, _FOUR_DIGITS)
    number, e = divmod(number, _FOUR_DIGITS)
    number, f = divmod(number, _FOUR_DIGITS)
    pairs, two = _PAIRS, _TWO_DIGITS
    with_leading_zero = (
        f"{pairs[number // two]}{pairs[number % two]}"
        f"{pairs[f // two]}{pairs[f % two]}{pairs[e // two]}{pairs[e % two]}"
        f"{pairs[d // two]}{pairs[d % two]}{pairs[c // two]}{pairs[c % two]}"
        f"{pairs[b // two]}{pairs[b % two]}{pairs[a // two]}{pairs[a % two]}"
    )
    return with_leading_zero[1:]
