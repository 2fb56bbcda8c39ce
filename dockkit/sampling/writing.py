"""Trajectory files that PyMOL, VMD and MDTraj open: a PDB with every bond that needs saying, and XTC."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import mdtraj
import numpy as np
from openmm import app, unit

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.model import FloatArray, IntArray
from dockkit.core.units import ANGSTROM_PER_NM
from dockkit.sampling.engine import Frames


def write_topology(path: Path, topology: app.Topology, coordinates: FloatArray) -> None:
    """Write a PDB file as the topology of trajectories.

    Parameters
    ----------
    path : Path
    topology : openmm.app.Topology
        Residue numbers are written as they stand there.
    coordinates : (n_atoms, 3) float
        Angstrom.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    text = io.StringIO()
    app.PDBFile.writeFile(topology, coordinates * unit.angstrom, text, keepIds=True)
    lines = [line for line in text.getvalue().splitlines() if not line.startswith("REMARK   1 CREATED")]
    atomic_write_text(path, "\n".join(lines) + "\n")


def write_xtc(path: Path, coordinates: FloatArray, time_ps: FloatArray, box: FloatArray | None = None) -> None:
    """Write frames as XTC, aside and renamed; equal frames give equal bytes.

    Parameters
    ----------
    path : Path
    coordinates : (n_frames, n_atoms, 3) float
        Angstrom; the format keeps 0.01 A.
    time_ps : (n_frames,) float
    box : (n_frames, 3, 3) float, optional
        Angstrom.

    Raises
    ------
    StoreError
        The disk is full or the folder may not be written.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with mdtraj.formats.XTCTrajectoryFile(str(aside), "w") as file:
                file.write(
                    np.asarray(coordinates / ANGSTROM_PER_NM, dtype=np.float32),
                    time=np.asarray(time_ps, dtype=np.float32),
                    step=np.arange(len(time_ps), dtype=np.int32),
                    box=None if box is None else np.asarray(box / ANGSTROM_PER_NM, dtype=np.float32),
                )
            _check_whole(aside, len(time_ps))
            with aside.open("rb") as stream:
                os.fsync(stream.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise store_error(path, error) from error
    except RuntimeError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error


def _check_whole(path: Path, n_frames: int) -> None:
    """Raise where the file was cut short: the library does not say when the disk fills."""
    with mdtraj.formats.XTCTrajectoryFile(str(path), "r") as file:
        if len(file) != n_frames:
            raise OSError(errno.ENOSPC, "written short", str(path))


def write_frames(
    frames: Frames,
    topology: app.Topology,
    first: FloatArray,
    folder: Path,
    stem: str,
    *,
    superpose: bool,
    boxed: bool,
) -> None:
    """Write every replica as ``<stem>_replica<n>.xtc`` and ``<stem>.pdb`` as their topology.

    Files of replicas that an earlier run had beyond these are removed: they need not be of the same simulation.

    Parameters
    ----------
    frames : Frames
    topology : openmm.app.Topology
        Of the saved atoms; residue numbers are written as they stand there.
    first : (n_saved, 3) float
        Angstrom; goes into the PDB file.
    folder : Path
    stem : str
    superpose : bool
        Turn frames onto ``first`` by their C-alpha atoms, where there are three.
    boxed : bool
        Write the box.

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    write_topology(folder / f"{stem}.pdb", topology, first)
    carbons = np.flatnonzero([atom.name == "CA" and atom.element.symbol == "C" for atom in topology.atoms()])
    for replica, xyz in enumerate(frames.coordinates, start=1):
        shown = superposed(xyz, first, carbons) if superpose and len(carbons) >= 3 else xyz
        box = frames.box[replica - 1] if boxed else None
        write_xtc(folder / f"{stem}_replica{replica}.xtc", shown, frames.time_ps, box)
    for path in folder.glob("*.xtc"):
        number = path.stem.removeprefix(f"{stem}_replica")
        if number != path.stem and number.isdigit() and int(number) > len(frames.coordinates):
            path.unlink(missing_ok=True)


def superposed(coordinates: FloatArray, reference: FloatArray, atoms: IntArray) -> FloatArray:
    """Return frames turned and moved onto a reference, by least squares over some atoms (Kabsch).

    Parameters
    ----------
    coordinates : (n_frames, n_atoms, 3) float
        Angstrom.
    reference : (n_atoms, 3) float
        Angstrom.
    atoms : (n,) int
        Which to fit.

    Returns
    -------
    (n_frames, n_atoms, 3) float
        Angstrom.
    """
    target = reference[atoms]
    middle = target.mean(axis=0)
    out = np.empty_like(coordinates)
    for index, xyz in enumerate(coordinates):
        centre = xyz[atoms].mean(axis=0)
        u, _, vt = np.linalg.svd((xyz[atoms] - centre).T @ (target - middle))
        u[:, -1] *= np.sign(np.linalg.det(u @ vt))
        out[index] = (xyz - centre) @ (u @ vt) + middle
    return out
