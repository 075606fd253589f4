"""Which messages are told about in full, when telling about all of them would cost more than sending them."""

ALWAYS = 1.0

_END = 2**32
_DIGITS = 8


class Sampler:
    """Keeps a share of the traces, whole, and a smaller one when there are many.

    Which ones follows from the trace's id: the last digits, which are chance by the W3C's rules. So all that
    happens to one message is kept or none of it, whichever process it happens in.

    When a period's allowance is used up, the share is halved at once, as often as it takes. After a period
    that used less than half of it, the share is doubled again, up to what was asked for.
    """

    def __init__(self, share: float, *, allowance: int) -> None:
        """Begin.

        Args:
            share: Of the traces, at most; above 0, up to `ALWAYS`.
            allowance: How many may be kept in one period before the share is halved.
        """
        self._most = share
        self._allowance = allowance
        self._kept = 0
        self._left = allowance
        self.share = share
        """In force at present."""

    def keeps(self, trace_id: str) -> bool:
        """Whether what has happened in a trace is told; counts it if so."""
        if int(trace_id[-_DIGITS:], 16) >= self.share * _END:
            return False
        self._kept += 1
        self._left -= 1
        if self._left <= 0:
            self.share /= 2
            self._left = self._allowance
        return True

    def end_period(self) -> None:
        """Begin the next period."""
        if self._kept < self._allowance / 2:
            self.share = min(self._most, self.share * 2)
        self._kept, self._left = 0, self._allowance
