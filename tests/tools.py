"""What some tests need and a machine may lack. On CI nothing may be missing."""

import os
from typing import NoReturn

import pytest

from tests.emulators.azurite.emulator import IS_INSTALLED


def is_missing(reason: str) -> NoReturn:
    """Skip the test; on CI, fail it."""
    if "CI" in os.environ:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def check_azurite() -> None:
    """Go on only where Azurite can be run."""
    if not IS_INSTALLED:
        is_missing("Azurite needs node and npm")
