"""What a scan finds, said as plainly as possible; every store's scans are compared with it."""

from collections.abc import Iterable, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from shared.domain.paging import Scan

EVERYTHING = Scan(None, None, descending=False, limit=100)

on_one_store = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""For a property that reads one store again and again, and changes nothing that it reads."""


def expected(keys: Iterable[str], scan: Scan) -> Sequence[str]:
    """The keys in the scan's range and order, one more than its limit."""
    within = [
        key
        for key in keys
        if (scan.above is None or key > scan.above) and (scan.below is None or key < scan.below)
    ]
    return sorted(within, reverse=scan.descending)[: scan.limit + 1]


def scans(keys: Sequence[str]) -> st.SearchStrategy[Scan]:
    """Scans that begin and end at, before, between and after some keys."""
    bounds = st.sampled_from([bound for key in keys for bound in (key, key + "0", key[:-1])])
    return st.builds(
        Scan,
        bounds | st.none(),
        bounds | st.none(),
        st.booleans(),
        st.integers(1, len(keys)),
        st.just(value=False),
    )
