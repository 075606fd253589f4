"""NCRONTAB, the timetable language of Azure's timers: six fields, the seconds first, in UTC.

    second minute hour day month weekday       0 */5 * * * *     every five minutes
                                               0 30 9 * * 1-5    at 9:30, Monday to Friday

A field is `*`, numbers, ranges `a-b` and lists, each with a step `/n` if need be; months and weekdays also
have names. Day and weekday must both fit (in Unix's cron, either). What only other dialects know is refused.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from croniter import croniter

FIELDS = 6

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_PLACE = rf"(?:\d+|{_NAMES})"
_PART = rf"(?:\*|{_PLACE}(?:-{_PLACE})?)(?:/\d+)?"
_FIELD = re.compile(rf"{_PART}(?:,{_PART})*", re.ASCII | re.IGNORECASE)
_ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer runs.

    Attributes:
        text: NCRONTAB.

    Raises:
        ValueError: The text is not NCRONTAB, or fits no day, as the 30th of February. Says what to write.
    """

    text: str

    def __post_init__(self) -> None:
        if not self._is_known() or not self._has_a_run():
            raise ValueError(
                f"{self.text!r} is not a schedule; write six fields, the seconds first, "
                "such as 0 */5 * * * * for every five minutes"
            )

    def after(self, instant: datetime) -> datetime:
        """The first run after an instant; both in UTC."""
        runs = croniter(self.text, instant, second_at_beginning=True, day_or=False)
        run: datetime = runs.get_next(datetime)
        return run

    def _is_known(self) -> bool:
        fields = self.text.split()
        return len(fields) == FIELDS and all(_FIELD.fullmatch(field) for field in fields)

    def _has_a_run(self) -> bool:
        try:
            self.after(_ANY_INSTANT)
        except ValueError:  # croniter's word for a number out of range, and for giving up the search
            return False
        return True
