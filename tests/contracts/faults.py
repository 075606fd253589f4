"""What Cosmos DB does wrong in tests, by whether the caller of an adapter hears of it."""

from datetime import timedelta

import pytest

from tests.emulators.cosmos import CLOSE, Fault

MOMENT = timedelta(milliseconds=1)
BOUND = timedelta(seconds=0.25)
"""Of an operation here, so that nobody waits for what does not come."""

UNHEARD = [
    pytest.param(Fault(answer=429, retry_after=MOMENT, times=2), id="throttled"),
    pytest.param(Fault(answer=449, times=2), id="met other writes"),
    pytest.param(Fault(answer=CLOSE), id="cut before"),
    pytest.param(Fault(answer=CLOSE, applied=True), id="cut after"),
    pytest.param(Fault(answer=503), id="503"),
    pytest.param(Fault(answer=503, applied=True), id="503 though done"),
]
"""What the caller hears nothing of."""

HEARD = [
    pytest.param(Fault(answer=429, retry_after=MOMENT, times=None), id="throttled for ever"),
    pytest.param(Fault(answer=CLOSE, times=None), id="cut for ever"),
    pytest.param(Fault(answer=503, times=None), id="503 for ever"),
    pytest.param(Fault(answer=500), id="500"),
    pytest.param(Fault(answer=449, times=None), id="meets other writes for ever"),
    pytest.param(Fault(answer=401, times=None), id="our key refused"),
    pytest.param(Fault(answer=403, times=None), id="our role missing"),
    pytest.param(Fault(delay=timedelta(seconds=3)), id="slow"),
]
"""What the caller hears of; nothing is done."""
