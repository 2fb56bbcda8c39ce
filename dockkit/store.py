"""The result store: one folder per content key, written aside and renamed when whole.

``<root>/<2 hex>/<key>/`` holds the record (``record.json``, ``arrays.npz``) and ``outcome.json``: how the task ended, a
checksum of every file, and its provenance. A key names everything the result depends on, so an entry never grows stale;
two writers of one key write the same thing, and the first to rename wins. An entry that is damaged is moved aside.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

from dockkit import __version__
from dockkit.core.errors import InputError, StoreError
from dockkit.core.files import store_error
from dockkit.core.records import RECORD_FORMAT, canonical_json, load_record, record_files
from dockkit.core.task import Task

OUTCOME_FILE: Final = "outcome.json"
LOG_FILE: Final = "log.txt"
SYNC_SECONDS: Final = 1.0
"""A result that took so long is synced to the disk before its entry appears."""
_PACKAGES: Final = (
    "numpy", "openmm", "rdkit", "vina", "meeko", "pdbfixer", "gemmi", "mdtraj", "biopython", "propka", "posebusters",
    "acellera-openff-toolkit", "openff-nagl-models", "pydantic",
)  # fmt: skip

_PROCESS: Final = os.urandom(4).hex()

Status = Literal["ok", "failed", "upstream"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended.

    Parameters
    ----------
    key, step, label : str
        Of the task.
    status : {"ok", "failed", "upstream"}
        ``upstream``: not run, because a task it needs failed (never stored).
    error_type, message : str
        Class and text of the error; empty where ok.
    input_error : bool
        The user's input is at fault: running again cannot help.
    seconds : float
        Wall time.
    versions : tuple of (str, str)
        Python, dockkit and the packages that compute.
    platform : str
        Operating system and machine type, no host name.
    """

    key: str
    step: str
    label: str
    status: Status
    error_type: str = ""
    message: str = ""
    input_error: bool = False
    seconds: float = 0.0
    versions: tuple[tuple[str, str], ...] = ()
    platform: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a record."""
        return self.status == "ok"

    @property
    def final(self) -> bool:
        """Whether running the same task again would give the same: it succeeded, or the input is at fault."""
        return self.ok or self.input_error


@lru_cache(maxsize=1)
def package_versions() -> tuple[tuple[str, str], ...]:
    """Return name and version of Python, dockkit and the packages that results depend on."""
    found = [("python", platform.python_version()), ("dockkit", __version__)]
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def success(task: Task, seconds: float) -> Outcome:
    """Return the outcome of a task that gave a record after ``seconds``."""
    return _outcome(task, "ok", seconds)


def failure(task: Task, error: BaseException, seconds: float) -> Outcome:
    """Return the outcome of a task that raised ``error`` after ``seconds``."""
    outcome = _outcome(task, "failed", seconds)
    text = str(error).strip() or "no message"
    return replace(outcome, error_type=type(error).__name__, message=text, input_error=isinstance(error, InputError))


def _outcome(task: Task, status: Status, seconds: float) -> Outcome:
    system = f"{platform.system()} {platform.machine()}"
    return Outcome(
        task.key, task.step, task.label, status, seconds=round(seconds, 3), versions=package_versions(), platform=system
    )


@contextmanager
def _as_store_error(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{store_error(where, error)}. Finished work is kept") from error


def _write(path: Path, data: bytes, synced: bool) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        if synced:
            os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot sync a folder; the rename is still atomic
        pass
    finally:
        os.close(descriptor)


class Store:
    """Results by content key under one folder.

    Parameters
    ----------
    root : Path
        Made where it does not exist.
    remember : int
        How many records to keep in memory.

    Raises
    ------
    StoreError
        The folder cannot be made or written to.
    """

    def __init__(self, root: Path, remember: int = 8) -> None:
        self.root = root
        self._most = remember
        self._remembered: OrderedDict[str, Any] = OrderedDict()
        with _as_store_error(root):
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=root):
                pass

    def path(self, key: str) -> Path:
        """Return the folder of a key, whether it exists or not."""
        return self.root / key[:2] / key

    def work_dir(self) -> Path:
        """Return this process's folder on the store's file system for tasks to work in, made where it is not there.

        It is kept from task to task: on shared file systems folders are slow to make and to remove.
        """
        name = f"{platform.node()}-{os.getpid()}-{_PROCESS}"
        with _as_store_error(self.root):
            folder = self.root / ".work" / name
            folder.mkdir(parents=True, exist_ok=True)
            return folder

    def leave(self) -> None:
        """Remove this process's folder of :meth:`work_dir`."""
        shutil.rmtree(self.root / ".work" / f"{platform.node()}-{os.getpid()}-{_PROCESS}", ignore_errors=True)

    def _fresh(self, purpose: str, key: str) -> Path:
        parent = self.root / f".{purpose}"
        parent.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=parent))

    def outcome(self, key: str) -> Outcome | None:
        """Return how a task ended, None where it is not stored.

        Every file of the entry is checked against its checksum; a damaged entry is moved aside and counts as absent.

        Parameters
        ----------
        key : str
            Content key.

        Returns
        -------
        Outcome or None
            None where there is no good entry.
        """
        folder = self.path(key)
        try:
            content = json.loads((folder / OUTCOME_FILE).read_bytes())
        except FileNotFoundError:
            if folder.exists():
                self.move_aside(key)
            return None
        except (OSError, ValueError):
            self.move_aside(key)
            return None
        outcome = _parse_outcome(content, key)
        if outcome is None or not _files_match(folder, content["files"]):
            self.move_aside(key)
            return None
        return outcome

    def load(self, key: str) -> Any:
        """Return the record of a task that succeeded; the last few are remembered, for records cannot change.

        Parameters
        ----------
        key : str
            Content key.

        Returns
        -------
        dataclass or tuple of dataclasses
            The record.

        Raises
        ------
        StoreError
            There is none, or it cannot be read.
        """
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        if not (self.path(key) / OUTCOME_FILE).exists():
            raise StoreError(f"{self.path(key)}: no such result; run the same command again to compute it")
        try:
            record = load_record(self.path(key))
        except StoreError as error:
            self.move_aside(key)
            raise StoreError(f"{error}; it was moved aside: run the same command again to compute it anew") from error
        self._remembered[key] = record
        while len(self._remembered) > self._most:
            self._remembered.popitem(last=False)
        return record

    def commit(self, outcome: Outcome, record: Any = None, log: bytes = b"") -> None:
        """Store how a task ended, with its record where it succeeded.

        The entry is written beside its place and renamed, so it is there whole or not at all. It is synced to the disk
        where the task took longer than a second; a quick one that a power cut damages is found out by its checksums and
        computed again, which costs less than syncing thousands of them. An entry that another writer finished first is
        kept; a failure that is stored gives way.

        Parameters
        ----------
        outcome : Outcome
            With status ``ok`` or ``failed``.
        record : dataclass or tuple of dataclasses, optional
            The result of a task that succeeded.
        log : bytes
            What the task printed; stored with a failure.

        Raises
        ------
        StoreError
            The disk is full or the folder may not be written.
        TypeError
            The record cannot be stored.
        """
        files = record_files(record) if outcome.ok else {}
        if log and not outcome.ok:
            files[LOG_FILE] = log[-65536:]
        target, synced = self.path(outcome.key), outcome.seconds >= SYNC_SECONDS
        with _as_store_error(target):
            aside = self._fresh("new", outcome.key)
            try:
                for name, data in files.items():
                    _write(aside / name, data, synced)
                _write(aside / OUTCOME_FILE, _outcome_bytes(outcome, files), synced)
                target.parent.mkdir(exist_ok=True)
                self._put(aside, target, synced)
            finally:
                shutil.rmtree(aside, ignore_errors=True)

    def _put(self, aside: Path, target: Path, synced: bool) -> None:
        for _ in range(5):
            try:
                aside.rename(target)
            except OSError:
                if not target.exists():
                    raise
                present = self.outcome(target.name)
                if present is not None and present.final:
                    return
                self.move_aside(target.name)
            else:
                if synced:
                    _sync_folder(target.parent)
                return

    def move_aside(self, key: str) -> None:
        """Take an entry out of the store; it is kept under ``.aside`` until :meth:`clean`."""
        self._remembered.pop(key, None)
        with _as_store_error(self.path(key)):
            grave = self._fresh("aside", key)
            try:
                self.path(key).rename(grave / "entry")
            except FileNotFoundError:
                grave.rmdir()

    def clean(self, graves: bool = True) -> None:
        """Remove what killed workers left behind, and the entries moved aside; only while no other driver is at work.

        Parameters
        ----------
        graves : bool
            Remove entries moved aside too.
        """
        for purpose in (".work", ".new", *([".aside"] if graves else [])):
            shutil.rmtree(self.root / purpose, ignore_errors=True)

    def clear(self) -> None:
        """Remove every result."""
        self._remembered.clear()
        with _as_store_error(self.root):
            for child in self.root.iterdir():
                shutil.rmtree(child) if child.is_dir() else child.unlink()


def read_outcome(root: Path, key: str) -> Outcome | None:
    """Return how a task ended as its entry says, without checking the record and without touching anything.

    Parameters
    ----------
    root : Path
        Of a store, which may be read-only or in use.
    key : str
        Content key.

    Returns
    -------
    Outcome or None
        None where there is no readable entry.
    """
    try:
        return _parse_outcome(json.loads((root / key[:2] / key / OUTCOME_FILE).read_bytes()), key)
    except (OSError, ValueError):
        return None


def _outcome_bytes(outcome: Outcome, files: dict[str, bytes]) -> bytes:
    content: dict[str, Any] = {
        "format": RECORD_FORMAT,
        "outcome": asdict(outcome),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    content["checksum"] = hashlib.sha256(canonical_json(content).encode("ascii")).hexdigest()
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode("ascii")


def _parse_outcome(content: Any, key: str) -> Outcome | None:
    """Return the outcome in a parsed ``outcome.json``, None where it is damaged, foreign or of another version."""
    try:
        body = {name: value for name, value in content.items() if name != "checksum"}
        checksum = hashlib.sha256(canonical_json(body).encode("ascii")).hexdigest()
        if content["checksum"] != checksum or content["format"] != RECORD_FORMAT or body["outcome"]["key"] != key:
            return None
        fields = dict(body["outcome"])
        fields["versions"] = tuple((name, number) for name, number in fields["versions"])
        return Outcome(**fields)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _files_match(folder: Path, checksums: dict[str, str]) -> bool:
    try:
        for name, checksum in checksums.items():
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
                    return False
    except OSError:
        return False
    return True
