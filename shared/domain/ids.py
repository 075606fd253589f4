"""Ids: a prefix that says what a thing is, and a KSUID that says when it was made.

A KSUID is 20 bytes written as 27 base-62 digits:

    bytes 0-3    whole seconds since `EPOCH`, big-endian
    byte 4       the tick within that second, 4 ms each, 0 to 249
    bytes 5-19   chance

The digits are in ASCII order and never shortened, so ids of one prefix sort bytewise as their instants do.

The last three bits of a message's id are its shard: a store that is divided by it finds the message, and all
that lies beside it, by the id alone. What a producer says to have a message accepted once decides on the
shard, so that all who say the same meet in one.
"""

from datetime import UTC, datetime, timedelta
from zlib import crc32

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
SHARDS = 8
"""Into how many shards the messages of an application are divided, in a store that is. All that has been
written depends on it: it is never changed."""

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


def new_message_id(at: datetime, dice: bytes, once: bytes | None) -> str:
    """Make the id of a message.

    Args:
        at: As of `new_id`.
        dice: As of `new_id`.
        once: What the producer says to have it accepted once: its eventId, else its idempotency key. None has
            chance decide on the shard.

    Raises:
        ValueError: As of `new_id`.
    """
    if once is not None:
        dice = dice[:-1] + bytes((dice[-1] // SHARDS * SHARDS + shard_for(once),))
    return new_id(MESSAGE, at, dice)


def shard_for(once: bytes) -> int:
    """The shard of all messages whose producer says this to have them accepted once."""
    return crc32(once) % SHARDS


def shard_of(message_id: str) -> int:
    """The shard that a message is in. Any text is in one, whether there is such a message or not."""
    shard = 0
    for digit in message_id[-3:]:  # 62 ** 3 is divided by 8
        shard = shard * 62 + _VALUES.get(digit, 0)
    return shard % SHARDS


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
