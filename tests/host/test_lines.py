"""Journal lines about what the host itself sees."""

import logging

import pytest

from infra.local.lines import LibraryLog, facts_of
from tests.host.fakes import KeptLines


def _fail() -> None:
    raise LookupError("no such endpoint")


def test_an_error_is_told_with_the_place_where_it_happened() -> None:
    with pytest.raises(LookupError) as failed:
        _fail()

    facts = facts_of(failed.value)

    assert (facts["error"], facts["why"]) == ("LookupError", "no such endpoint")
    assert str(facts["where"]).startswith("test_lines.py:")
    assert str(facts["where"]).endswith(" _fail")


@pytest.fixture
def journal() -> KeptLines:
    return KeptLines()


@pytest.fixture
def library(journal: KeptLines) -> logging.Logger:
    logger = logging.Logger("aiohttp.client", logging.DEBUG)  # noqa: LOG001 - no other test may share it
    logger.addHandler(LibraryLog(journal))
    return logger


def test_what_libraries_warn_of_is_a_line_of_ours(library: logging.Logger, journal: KeptLines) -> None:
    """One form for everything, so that one query finds everything."""
    library.warning("Unclosed connection %s", 7)

    assert journal.lines == [
        (
            "library.logged",
            {"library": "aiohttp.client", "level": "warning", "text": "Unclosed connection 7"},
        )
    ]


def test_an_error_that_a_library_logs_is_told_like_ours(library: logging.Logger, journal: KeptLines) -> None:
    try:
        _fail()
    except LookupError:
        library.exception("Exception in ASGI application\n")

    ((_, facts),) = journal.lines
    assert (facts["text"], facts["error"]) == ("Exception in ASGI application", "LookupError")


def test_chatter_is_left_out(library: logging.Logger, journal: KeptLines) -> None:
    library.info("connection made")

    assert journal.lines == []
