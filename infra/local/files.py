"""Small files beside the database: written whole or not at all, and readable by their owner only."""

import os
import tempfile
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write a file, so that whoever reads it while we run sees the old text or the new one.

    It is not forced onto the disk, which would hold the caller up: after a power cut it may be empty.

    Raises:
        OSError: It cannot be written; the old file is still there.
    """
    draft = _draft(path)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise


def create(path: Path, text: str) -> bool:
    """Write a file unless it is there already, and force it onto the disk; of several writers one succeeds.

    Returns:
        Whether it was this call that wrote it.

    Raises:
        OSError: It cannot be written.
    """
    draft = _draft(path)
    try:
        draft.write_text(text, encoding="utf-8")
        _force(draft)
        path.hardlink_to(draft)
        _force(path.parent)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _draft(path: Path) -> Path:
    """A new empty file in the same folder that only its owner may read.

    Raises:
        OSError: It cannot be made; the error names `path`.
    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        # The draft's own name means nothing to whoever reads the error.
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(number)
    return Path(name)


def _force(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
