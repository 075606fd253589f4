"""What holds for every test."""

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
