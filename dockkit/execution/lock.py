"""One driver per output folder: a lock file that says who holds it, and knows when its holder is gone."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from dockkit.core.errors import StoreError
from dockkit.core.files import store_error
from dockkit.execution.cores import batch_job

LOCK_FILE: Final = ".dockkit.lock"
HEARTBEAT_SECONDS: Final = 20.0
STALE_SECONDS: Final = 300.0
"""A lock of another machine counts as left behind when its file has not been touched for this long."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a folder.

    Parameters
    ----------
    pid : int
    host : str
    job : str
        Batch job of the driver, '' outside one.
    seconds : float
        Since its last sign of life.
    gone : bool
        It is certain, or after five silent minutes assumed, that it is no more.
    """

    pid: int
    host: str
    job: str
    seconds: float
    gone: bool

    @property
    def who(self) -> str:
        """In words, for messages."""
        job = f", {self.job}" if self.job else ""
        return f"process {self.pid or '?'} on {self.host or 'another machine'}{job}"


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


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_gone(holder: dict[str, Any], seconds: float) -> bool:
    """Judge a holder: on this machine by its process, elsewhere by its silence or by its batch job running again."""
    if holder.get("host") == platform.node():
        pid = int(holder.get("pid", 0))
        return not _is_alive(pid) or _process_start(pid) != holder.get("start", "")
    if holder.get("job") and holder["job"] == batch_job():
        return True  # this very job, requeued on another node: it runs once at a time
    return seconds > (STALE_SECONDS if holder else 5.0)


def _silence(path: Path, by_server: bool) -> float:
    """Return the seconds since a file was touched, by this machine's clock or that of the file server: they differ."""
    if not by_server:
        return time.time() - path.stat().st_mtime
    probe = path.with_name(f"{path.name}.probe-{platform.node()}-{os.getpid()}")
    try:
        probe.touch()
        now = probe.stat().st_mtime
    except OSError:  # a folder that this user may only read
        now = time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return now - path.stat().st_mtime


def read_lock(folder: Path, by_server: bool = False) -> Holder | None:
    """Return who holds a folder, None where nobody does.

    Parameters
    ----------
    folder : Path
        An output folder.
    by_server : bool
        Judge silence by the file server's clock, which takes a file of our own; else nothing is written.

    Returns
    -------
    Holder or None
        Also of a holder that is gone.
    """
    path = folder / LOCK_FILE
    try:
        seconds = _silence(path, by_server)
    except OSError:
        return None
    content = _read(path)
    pid, host, job = int(content.get("pid", 0)), str(content.get("host", "")), str(content.get("job", ""))
    return Holder(pid, host, job, max(0.0, seconds), _is_gone(content, seconds))


class FolderLock:
    """Hold an output folder for the time of a ``with`` block.

    The file is written aside and linked into place, which is atomic on local disks and on NFS; where a file system has
    no hard links it is made with O_EXCL. The holder touches it every 20 s. A lock whose process is gone (same machine),
    whose batch job runs again here, or that nobody touched for 5 minutes (another machine), is taken over. A holder
    that slept so long that another took the folder notices it and stops; results are never mixed, because each is
    stored whole under the key of its content.

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
        self.path = folder / LOCK_FILE
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._mine: dict[str, Any] = {
            "pid": os.getpid(),
            "start": _process_start(os.getpid()),
            "host": platform.node(),
            "job": batch_job(),
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
        if _read(self.path).get("token") == self._mine["token"]:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raise a StoreError where another driver has taken the folder meanwhile."""
        if self._lost.is_set():
            holder = read_lock(self.path.parent)
            who = holder.who if holder else "another run"
            raise StoreError(
                f"{self.path.parent}: {who} took this folder while this run gave no sign of life for "
                f"{STALE_SECONDS:.0f} s; this one stops, its finished work is kept"
            )

    def _aside(self, purpose: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{purpose}-{self._mine['token']}")

    def _create(self) -> bool:
        new = self._aside("new")
        try:
            with new.open("x", encoding="utf-8") as file:
                json.dump(self._mine, file)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(new, self.path)
            except FileExistsError:
                return bool(_read(self.path).get("token") == self._mine["token"])  # NFS may repeat a request
            except OSError:
                return self._create_exclusively()
        except OSError as error:
            raise StoreError(f"{store_error(self.path.parent, error)} (--out)") from error
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        return True

    def _create_exclusively(self) -> bool:
        try:
            with self.path.open("x", encoding="utf-8") as file:
                json.dump(self._mine, file)
        except FileExistsError:
            return False
        return True

    def _take_over_or_refuse(self) -> None:
        content = _read(self.path)
        holder = read_lock(self.path.parent, by_server=True)
        if holder is None:
            return
        if not holder.gone:
            elsewhere = holder.host != platform.node()
            wait = f" (last sign of life {holder.seconds:.0f} s ago; free after {STALE_SECONDS:.0f} s without one)"
            raise StoreError(
                f"{self.path.parent}: another dockkit run ({holder.who}) is working in this folder"
                f"{wait if elsewhere else ''}; wait for it, stop it, or give another folder with --out. "
                f"If it is gone for certain, delete {self.path}"
            )
        aside = self._aside("old")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        if _read(aside).get("token") != content.get("token"):  # somebody else took over between look and rename
            with contextlib.suppress(OSError):  # and where a third one did meanwhile, the second notices and stops
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                seen = json.loads(self.path.read_text(encoding="utf-8"))
                if seen.get("token") != self._mine["token"]:
                    break
                os.utime(self.path)
            except FileNotFoundError:  # deleted, or moved aside for a moment by one who meant another lock
                with contextlib.suppress(StoreError):
                    self._create()
            except (ValueError, AttributeError):
                break
            except OSError:  # the file server does not answer: ask again
                continue
        if not self._stop.is_set():
            self._lost.set()
