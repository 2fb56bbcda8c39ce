"""Segments on disk: each is a file of frames and a file of the state at its end, written whole or not at all.

A segment's frames are written after its state, so that a segment with frames is complete. Of older segments the states
are removed; where one is needed again (a file was damaged), its segment is run again and gives the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dockkit.core.files import atomic_write_bytes
from dockkit.core.model import FloatArray

Arrays = dict[str, NDArray[np.generic]]

_STATES_KEPT = 3


@dataclass(frozen=True, slots=True)
class MdState:
    """Where a segment ends and the next one begins.

    Parameters
    ----------
    positions, velocities : (n_particles, 3) float
        Angstrom, Angstrom/ps; in full precision.
    box : (3, 3) float
        Angstrom; zeros without a box.
    """

    positions: FloatArray
    velocities: FloatArray
    box: FloatArray


@dataclass(frozen=True, slots=True)
class SegmentFrames:
    """Frames of one segment.

    Parameters
    ----------
    coordinates : (n_frames, n_saved, 3) float32
        Angstrom.
    temperature, potential : (n_frames,) float
        Kelvin, kcal/mol.
    box : (n_frames, 3, 3) float
        Angstrom; zeros without a box.
    waters : (n_frames, n_nearest, 3, 3) float32
        Angstrom; O, H, H of the nearest bulk waters.
    step_fs : float
        The time step that was used.
    """

    coordinates: NDArray[np.float32]
    temperature: FloatArray
    potential: FloatArray
    box: FloatArray
    waters: NDArray[np.float32]
    step_fs: float


class SegmentFolder:
    """The segments of one replica.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; what a killed run left half written is removed.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        if folder.is_dir():
            for part in folder.glob(".*.part"):
                part.unlink(missing_ok=True)

    def state(self, name: str) -> MdState | None:
        """Return the state at the end of a segment, None where it is not stored or is damaged."""
        arrays = _read(self.path / f"{name}.state.npz")
        if arrays is None or arrays.keys() != {"positions", "velocities", "box"}:
            return None
        return MdState(**{key: np.asarray(value, dtype=np.float64) for key, value in arrays.items()})

    def frames(self, name: str, wanted: int) -> SegmentFrames | None:
        """Return the first frames of a segment, None where fewer are stored or the file is damaged.

        Parameters
        ----------
        name : str
            Of the segment.
        wanted : int
            Number of frames.

        Returns
        -------
        SegmentFrames or None
        """
        arrays = _read(self.path / f"{name}.frames.npz")
        if arrays is None or len(arrays.get("temperature", ())) < wanted:
            return None
        return SegmentFrames(
            coordinates=np.asarray(arrays["coordinates"][:wanted], dtype=np.float32),
            temperature=np.asarray(arrays["temperature"][:wanted], dtype=np.float64),
            potential=np.asarray(arrays["potential"][:wanted], dtype=np.float64),
            box=np.asarray(arrays["box"][:wanted], dtype=np.float64),
            waters=np.asarray(arrays["waters"][:wanted], dtype=np.float32),
            step_fs=float(arrays["step_fs"]),
        )

    def write(self, name: str, state: MdState, frames: SegmentFrames | None) -> None:
        """Store a segment; frames are None for a stage of equilibration.

        Raises
        ------
        StoreError
            The disk is full or the folder may not be written; what was stored before is kept.
        """
        content: Mapping[str, NDArray[Any]] = {
            "positions": state.positions,
            "velocities": state.velocities,
            "box": state.box,
        }
        atomic_write_bytes(self.path / f"{name}.state.npz", _npz(content))
        if frames is None:
            return
        content = {
            "coordinates": frames.coordinates,
            "temperature": frames.temperature,
            "potential": frames.potential,
            "box": frames.box,
            "waters": frames.waters,
            "step_fs": np.array(frames.step_fs),
        }
        atomic_write_bytes(self.path / f"{name}.frames.npz", _npz(content))

    def forget_states(self, names: list[str]) -> None:
        """Remove all but the last few states of these segments, which are in order of time."""
        for name in names[:-_STATES_KEPT]:
            (self.path / f"{name}.state.npz").unlink(missing_ok=True)


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
