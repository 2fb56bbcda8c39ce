"""How far a replica is: written beside its segments as it runs, read by whoever waits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text

PROGRESS_FILE = "progress.json"

_SECONDS_BETWEEN = 2.0
_STAGES_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class MdProgress:
    """How far a replica is.

    Parameters
    ----------
    label : str
        What is simulated.
    stage : str
        Name of the stage of equilibration, ``production`` or ``done``.
    done_ps, total_ps : float
        Equilibration included.
    ns_per_day, seconds_left : float
        NaN until something was measured.
    temperature_kelvin, potential_kcal_mol : float
        Latest; NaN until something was measured.
    """

    label: str
    stage: str
    done_ps: float
    total_ps: float
    ns_per_day: float = float("nan")
    seconds_left: float = float("nan")
    temperature_kelvin: float = float("nan")
    potential_kcal_mol: float = float("nan")


Listener = Callable[[MdProgress], None]


class Clock:
    """Measures the pace of one replica and tells it to a listener, a few times a minute.

    Parameters
    ----------
    label : str
        What is simulated.
    done_ps, total_ps : float
        What was stored before, and what there will be.
    listener : callable, optional
        Called with an :class:`MdProgress`.
    """

    def __init__(self, label: str, done_ps: float, total_ps: float, listener: Listener | None) -> None:
        self._label, self._done, self._total, self._listener = label, done_ps, total_ps, listener
        self._paced_ps = self._paced_seconds = 0.0
        self._mark = time.monotonic()
        self._told = -_SECONDS_BETWEEN
        self._last = (float("nan"), float("nan"))

    def start(self) -> None:
        """Begin to measure; what was done before (building a context) does not count."""
        self._mark = time.monotonic()

    def advance(self, stage: str, ps: float, temperature: float, potential: float) -> None:
        """Note that ``ps`` more are done."""
        now = time.monotonic()
        self._paced_seconds += now - self._mark
        self._paced_ps += ps
        self._done += ps
        self._mark = now
        self._last = (temperature, potential)
        if now - self._told >= _SECONDS_BETWEEN:
            self._told = now
            self.tell(stage)

    def undo(self, ps: float) -> None:
        """Note that ``ps`` were lost."""
        self._done -= ps

    def tell(self, stage: str) -> None:
        """Call the listener now."""
        if self._listener is None:
            return
        pace = self._paced_ps / self._paced_seconds if self._paced_ps and self._paced_seconds else float("nan")
        left = max(0.0, self._total - self._done) / pace
        self._listener(
            MdProgress(
                self._label, stage, self._done, self._total, pace * 86.4, left, *self._last
            )
        )  # fmt: skip


def progress_writer(folder: Path) -> Listener:
    """Return a listener that keeps ``progress.json`` of a folder up to date.

    Parameters
    ----------
    folder : Path
        Of the replica.

    Returns
    -------
    callable
        Never raises: a progress that cannot be written is no reason to stop.
    """

    def write(progress: MdProgress) -> None:
        try:
            atomic_write_text(folder / PROGRESS_FILE, json.dumps(asdict(progress)) + "\n")
        except StoreError:
            return

    return write


def _read(path: Path) -> MdProgress | None:
    try:
        return MdProgress(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def stored_progress(root: Path, label: str) -> int:
    """Return a number that grows with every stage and segment that is stored of the replicas with a label.

    Parameters
    ----------
    root : Path
        Searched two levels deep, as by :func:`read_progress`.
    label : str
        As it was run.

    Returns
    -------
    int
    """
    count = 0
    for path in root.glob(f"*/*/{PROGRESS_FILE}"):
        found = _read(path)
        if found is not None and found.label == label:
            count += _STAGES_AT_MOST * sum(1 for _ in path.parent.glob("*.frames.npz"))
            count += sum(1 for _ in path.parent.glob("equilibration-*.state.npz"))
    return count


def read_progress(root: Path) -> list[MdProgress]:
    """Return the progress of every replica under a folder, in order of their labels.

    Parameters
    ----------
    root : Path
        Searched for ``progress.json`` two levels deep.

    Returns
    -------
    list of MdProgress
        Damaged files are passed over.
    """
    found = [item for path in root.glob(f"*/*/{PROGRESS_FILE}") if (item := _read(path)) is not None]
    return sorted(found, key=lambda item: item.label)
