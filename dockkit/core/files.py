"""Write files whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from dockkit.core.errors import StoreError

_REASONS: Final = {
    errno.ENOSPC: "the disk is full; make room and run the same command again",
    errno.EDQUOT: "the disk quota is used up; make room and run the same command again",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EISDIR: "a folder stands where the file should go; choose another name",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose a shorter one",
}


def store_error(path: Path, error: OSError) -> StoreError:
    """Return the StoreError that says in words why ``path`` could not be written."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return StoreError(f"{path}: cannot be written: {reason}")


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole: aside in the same folder, flushed to the disk, then renamed.

    Parameters
    ----------
    path : str or Path
        Missing folders are made.
    data : bytes

    Raises
    ------
    StoreError
        The disk is full, the place is not writable, ...; neither a partial file nor the temporary one is left, and an
        older file of that name is untouched.
    """
    path = Path(path)
    aside = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise store_error(path, error) from error


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write a text file whole, as UTF-8; see ``atomic_write_bytes``."""
    atomic_write_bytes(path, text.encode("utf-8"))
