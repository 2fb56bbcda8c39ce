"""Writing whole files: aside, flushed, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from dockkit.core.errors import StoreError


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is either whole or not there.

    Parameters
    ----------
    path : Path
        Target; its folder is made where it is missing.
    data : bytes
        Content.

    Raises
    ------
    StoreError
        The file could not be written (no space, no permission, a file in the place of the folder).
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path}: could not be written ({error.strerror or error}); free space or choose another --out"
        ) from error


def atomic_write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that the file is either whole or not there; raises StoreError as ``atomic_write_bytes``."""
    atomic_write_bytes(path, text.encode("utf-8"))
