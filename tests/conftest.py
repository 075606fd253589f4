"""What holds for every test."""

import gc
from collections.abc import Generator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# How long an example takes says something about the machine, not about the code.
settings.register_profile("heliograph", deadline=None)
settings.load_profile("heliograph")

TOGETHER = "tests/journeys/clients"
"""All tests of this folder look at the same rounds, which take a worker long to go."""


class Schedule(LoadFileScheduling):
    """The tests of a file stay on one worker, because they share what they have started."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Schedule:
    """Share the tests among the workers."""
    return Schedule(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Have what a module may leave open collected at its end, and not in the test of another.

    By then its fixtures and its event loop have ended, and what its marks say of warnings still holds.
    """
    outcome = yield
    is_last = nextitem is None or nextitem.path != item.path
    if is_last and may_leave_open(item):
        gc.collect()
    return outcome


def may_leave_open(item: pytest.Item) -> bool:
    """Whether it has marks that ignore a `ResourceWarning`."""
    marks = item.iter_markers("filterwarnings")
    return any(line.endswith(":ResourceWarning") for mark in marks for line in mark.args)
