"""Receptor record to PDBQT text for AutoDock Vina.

Vina reads positions and AutoDock atom types and ignores charges [1]_. Hydrogens on carbon are merged
into their carbon; hydrogens on nitrogen, oxygen and sulfur stay, as type HD.

References
----------
.. [1] Eberhardt, Santos-Martins, Tillack, Forli, J. Chem. Inf. Model. 2021, 61, 3891 (Vina 1.2).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.errors import DockingError
from dockkit.core.model import Receptor

AROMATIC_CARBONS: Final = {
    "PHE": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TYR": {"CG", "CD1", "CD2", "CE1", "CE2", "CZ"},
    "TRP": {"CG", "CD1", "CD2", "CE2", "CE3", "CZ2", "CZ3", "CH2"},
    "HIS": {"CG", "CD2", "CE1"},
}
"""Ring carbons, AutoDock type A."""

ELEMENT_TYPES: Final = {
    "C": "C", "N": "N", "O": "OA", "S": "SA", "P": "P", "F": "F", "CL": "Cl", "BR": "Br", "I": "I",
    "MG": "Mg", "MN": "Mn", "ZN": "Zn", "CA": "Ca", "FE": "Fe", "NA": "Na", "K": "K",
}  # fmt: skip
"""AutoDock type of an element where nothing more is known; oxygens of water and phosphate accept (OA)."""

MAX_BOND_TO_HYDROGEN: Final = 1.5
"""Angstrom; S-H is 1.34."""


def atom_types(receptor: Receptor) -> tuple[str, ...]:
    """Return the AutoDock type of every atom, '' for a hydrogen that is merged into its carbon.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present.

    Returns
    -------
    tuple of str
        One entry per atom: C, A (aromatic), N, NA (accepting), OA, SA, HD (polar hydrogen), P or a metal.

    Raises
    ------
    DockingError
        An element has no type, a hydrogen has no partner, or the receptor has no polar hydrogen at all.
    """
    elements = np.char.upper(receptor.elements)
    heavy = np.flatnonzero(elements != "H")
    hydrogens = np.flatnonzero(elements == "H")
    if len(heavy) == 0:
        raise DockingError(f"{receptor.name}: no heavy atoms; nothing to dock into")
    parents = np.zeros(0, dtype=np.int64)
    if len(hydrogens):
        distance, nearest = cKDTree(receptor.coordinates[heavy]).query(receptor.coordinates[hydrogens])
        parents = heavy[nearest]
        if (distance > MAX_BOND_TO_HYDROGEN).any():
            stray = int(hydrogens[int(distance.argmax())])
            raise DockingError(
                f"{_where(receptor, stray)}: this hydrogen is {distance.max():.1f} A from any heavy atom; "
                "prepare the structure again"
            )
    protonated = set(parents.tolist())
    types = [""] * receptor.n_atoms
    for atom in heavy.tolist():
        types[atom] = _heavy_type(receptor, atom, atom in protonated)
    for atom, parent in zip(hydrogens.tolist(), parents.tolist(), strict=True):
        types[atom] = "HD" if elements[parent] in ("N", "O", "S") else ""
    if "HD" not in types:
        raise DockingError(f"{receptor.name}: no hydrogen on any N or O; add hydrogens before docking")
    return tuple(types)


def _heavy_type(receptor: Receptor, atom: int, protonated: bool) -> str:
    element = str(receptor.elements[atom]).upper()
    residue = str(receptor.residue_names[receptor.atom_residue[atom]])
    name = str(receptor.atom_names[atom])
    if element not in ELEMENT_TYPES:
        raise DockingError(
            f"{_where(receptor, atom)}: element '{receptor.elements[atom]}' has no AutoDock type; remove this residue"
        )
    if name in AROMATIC_CARBONS.get(residue, ()):
        return "A"
    if residue == "HIS" and name in ("ND1", "NE2") and not protonated:
        return "NA"
    return ELEMENT_TYPES[element]


def _where(receptor: Receptor, atom: int) -> str:
    residue = int(receptor.atom_residue[atom])
    number = receptor.uniprot_numbers[residue] or receptor.author_numbers[residue]
    label = f"{receptor.residue_names[residue]} {number}"
    return f"{receptor.name} chain {receptor.chain_ids[residue]} {label} atom {receptor.atom_names[atom]}"


def receptor_pdbqt(receptor: Receptor) -> str:
    """Return the receptor as rigid PDBQT.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present.

    Returns
    -------
    str
        One ATOM line per kept atom. Charges are written as 0.

    Raises
    ------
    DockingError
        An atom cannot be typed, or a coordinate does not fit the format.
    """
    if np.abs(receptor.coordinates).max() >= 9999.0:
        raise DockingError(
            f"{receptor.name}: coordinates beyond 9999 A do not fit PDBQT; move the structure near the origin"
        )
    lines: list[str] = []
    for atom, kind in enumerate(atom_types(receptor)):
        if not kind:
            continue
        residue = int(receptor.atom_residue[atom])
        name = str(receptor.atom_names[atom])[:4]
        wide = len(name) == 4 or len(str(receptor.elements[atom])) == 2
        x, y, z = receptor.coordinates[atom]
        lines.append(
            f"ATOM  {(len(lines) + 1) % 100000:5d} {name if wide else ' ' + name:<4s} "
            f"{str(receptor.residue_names[residue])[:3]:>3s} {str(receptor.chain_ids[residue])[:1] or ' '}"
            f"{receptor.author_numbers[residue] % 10000:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00    {0.0:6.3f} {kind:<2s}"
        )
    return "\n".join(lines) + "\n"
