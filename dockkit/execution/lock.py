"""One driver per output folder: a lock file that says who holds it, and knows when its holder is gone."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from dockkit.core.errors import StoreError
from dockkit.core.files import store_error

HEARTBEAT_SECONDS: Final = 20.0
STALE_SECONDS: Final = 300.0
"""A lock of another machine counts as left behind when its file has not been touched for this long."""


def _process_start(pid: int) -> str:
    """Return the start time of a process in clock ticks ('' where the system does not tell): pids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class FolderLock:
    """Hold an output folder for the time of a ``with`` block.

    The file is made with O_EXCL, which is atomic on local disks and on NFS version 3 and later. The holder touches it
    every 20 s. A lock whose process is gone (same machine), or that nobody touched for 5 minutes (another machine), is
    taken over.

    Parameters
    ----------
    folder : Path
        The output folder; it exists.

    Raises
    ------
    StoreError
        Another run holds the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".dockkit.lock"
        self._stop = threading.Event()
        self._mine: dict[str, Any] = {
            "pid": os.getpid(),
            "start": _process_start(os.getpid()),
            "host": platform.node(),
            "token": os.urandom(8).hex(),
        }

    def __enter__(self) -> FolderLock:
        """Take the lock."""
        for _ in range(3):
            if self._create():
                threading.Thread(target=self._beat, daemon=True).start()
                return self
            self._take_over_or_refuse()
        raise StoreError(f"{self.path.parent}: another dockkit run took this folder just now; try again")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._stop.set()
        if self._read(self.path).get("token") == self._mine["token"]:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            with self.path.open("x", encoding="ascii") as file:
                json.dump(self._mine, file)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(f"{store_error(self.path.parent, error)} (--out)") from error
        return True

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            content = json.loads(path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _take_over_or_refuse(self) -> None:
        holder = self._read(self.path)
        try:
            age = time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return
        if holder.get("host") == self._mine["host"]:
            pid = int(holder.get("pid", 0))
            stale = not _is_alive(pid) or _process_start(pid) != holder.get("start", "")
        else:
            stale = age > (STALE_SECONDS if holder else 5.0)
        if not stale:
            who = f"process {holder.get('pid', '?')} on {holder.get('host', 'another machine')}"
            raise StoreError(
                f"{self.path.parent}: another dockkit run ({who}) is working in this folder; wait for it, stop it, or "
                f"give another folder with --out. If it is gone for certain, delete {self.path}"
            )
        aside = self.path.with_name(f"{self.path.name}.{self._mine['token']}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if self._read(aside).get("token") != holder.get("token"):  # somebody else took over between look and rename
            os.link(aside, self.path)
        aside.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                os.utime(self.path)
            except OSError:
                continue
