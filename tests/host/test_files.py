"""Small files beside the database."""

from pathlib import Path

import pytest

from infra.local import files


def test_of_several_writers_one_succeeds(tmp_path: Path) -> None:
    """Two processes that start at once for the first time must end up with the same secrets."""
    path = tmp_path / "heliograph.db.keys"

    assert [files.create(path, "one"), files.create(path, "other")] == [True, False]
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.db.timers"
    files.replace(path, "old")

    files.replace(path, "new")

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    """A full or forbidden folder must not fill up with drafts, one a minute."""
    folder = tmp_path / "heliograph.db.timers"
    folder.mkdir()

    with pytest.raises(OSError, match="directory"):
        files.replace(folder, "new")

    assert list(tmp_path.iterdir()) == [folder]


def test_what_cannot_be_written_is_named_as_the_caller_knows_it(tmp_path: Path) -> None:
    """A person reads the name; the one of a draft would be a riddle."""
    path = tmp_path / "nowhere" / "heliograph.db.keys"

    with pytest.raises(FileNotFoundError) as refused:
        files.create(path, "one")

    assert refused.value.filename == str(path)
