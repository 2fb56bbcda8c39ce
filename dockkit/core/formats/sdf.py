"""Poses as SDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_text
from dockkit.core.model import FloatArray, Ligand


def sdf_record(ligand: Ligand, coordinates: FloatArray | None, properties: Mapping[str, str]) -> str:
    """Return one SDF record: the ligand's mol block with other coordinates (n_atoms, 3) in Angstrom, and properties."""
    lines = ligand.mol_block.split("$$$$")[0].splitlines()
    lines[0] = ligand.name.replace("\n", " ")
    xyz = ligand.coordinates if coordinates is None else np.asarray(coordinates, dtype=np.float64)
    if xyz.shape != (ligand.n_atoms, 3):
        raise StoreError(f"{ligand.name}: coordinates of shape {xyz.shape} for {ligand.n_atoms} atoms")
    for i, (x, y, z) in enumerate(xyz):
        lines[4 + i] = f"{x:10.4f}{y:10.4f}{z:10.4f}" + lines[4 + i][30:]
    end = next((k for k, line in enumerate(lines) if line.startswith("M  END")), len(lines) - 1)
    lines = lines[: end + 1]
    for key, value in properties.items():
        clean = re.sub(r"[<>\r\n]", " ", key).strip() or "property"
        text = " ".join(str(value).splitlines()).strip()
        lines += [f">  <{clean}>", text, ""]
    return "\n".join([*lines, "$$$$"]) + "\n"


def write_sdf(
    path: str | Path,
    ligand: Ligand,
    poses: Sequence[FloatArray | None],
    properties: Sequence[Mapping[str, str]] | None = None,
) -> None:
    """Write poses of one ligand, with properties, as SDF (V2000).

    Parameters
    ----------
    path : str or Path
    ligand : Ligand
    poses : sequence of (n_atoms, 3) float or None
        Angstrom; None for the record's own coordinates.
    properties : sequence of mapping of str to str, optional
        One mapping per pose.

    Raises
    ------
    StoreError
        The lists differ in length, the coordinates do not fit, or the file cannot be written.
    """
    tables: Sequence[Mapping[str, str]] = [{}] * len(poses) if properties is None else properties
    if len(tables) != len(poses):
        raise StoreError(f"{path}: {len(poses)} poses but {len(tables)} sets of properties")
    records = [sdf_record(ligand, xyz, table) for xyz, table in zip(poses, tables, strict=True)]
    atomic_write_text(path, "".join(records))
