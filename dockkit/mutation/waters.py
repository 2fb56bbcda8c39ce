"""Waters that a built side chain runs into: found, named, taken away."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import Change, Receptor
from dockkit.core.residues import WATER

OVERLAP: Final = {"N": 2.4, "O": 2.4}
"""A water nearer to such an atom of a side chain cannot stay; 2.9 to other heavy atoms, Angstrom."""

OVERLAP_DEFAULT: Final = 2.9


def displaced_waters(receptor: Receptor, residues: Iterable[int]) -> dict[int, str]:
    """Return the waters whose place the side chains of some residues take.

    Parameters
    ----------
    receptor : Receptor
        With the side chains built.
    residues : iterable of int
        Residue indices of the built side chains.

    Returns
    -------
    dict of int to str
        Residue index of each water, ascending, and what stands in it: ``ILE 315 CD1 at 2.1 A`` (author number).
    """
    owner = receptor.atom_residue
    side = np.isin(owner, sorted(residues)) & (receptor.elements != "H")
    side &= ~np.isin(receptor.atom_names, ("N", "CA", "C", "O"))
    oxygens = np.flatnonzero((receptor.residue_names == WATER)[owner] & (receptor.elements == "O"))
    found: dict[int, str] = {}
    if not side.any() or len(oxygens) == 0:
        return found
    atoms = np.flatnonzero(side)
    tree = cKDTree(receptor.coordinates[atoms])
    for oxygen in oxygens:
        here = receptor.coordinates[oxygen]
        near = atoms[sorted(tree.query_ball_point(here, OVERLAP_DEFAULT))]
        gaps = np.linalg.norm(receptor.coordinates[near] - here, axis=1)
        limits = np.array([OVERLAP.get(str(receptor.elements[a]), OVERLAP_DEFAULT) for a in near])
        if (gaps < limits).any():
            worst = int(np.argmin(gaps - limits))
            atom, index = near[worst], int(owner[near[worst]])
            place = f"{receptor.residue_names[index]} {receptor.author_numbers[index]} {receptor.atom_names[atom]}"
            found[int(owner[oxygen])] = f"{place} at {gaps[worst]:.1f} A"
    return found


def without_waters(receptor: Receptor, displaced: dict[int, str]) -> Receptor:
    """Return the receptor without some waters, each with a Change that says why.

    Parameters
    ----------
    receptor : Receptor
    displaced : dict of int to str
        From :func:`displaced_waters`, of this receptor or of variants of it (residue indices are the same).

    Returns
    -------
    Receptor
        The later residues move up; waters stand after the protein, so that no residue of the chain does.
    """
    if not displaced:
        return receptor
    gone = np.array(sorted(displaced), dtype=np.int64)
    kept = np.setdiff1d(np.arange(receptor.n_residues), gone)
    atoms = ~np.isin(receptor.atom_residue, gone)
    renumber = np.full(receptor.n_residues, -1)
    renumber[kept] = np.arange(len(kept))
    changes = tuple(
        Change(
            "water", "left out: displaced by a built side chain", displaced[int(i)], WATER, str(receptor.chain_ids[i]),
            int(receptor.author_numbers[i]), str(receptor.insertion_codes[i]),
        )
        for i in gone
    )  # fmt: skip
    per_residue = (
        "residue_names", "chain_ids", "insertion_codes", "author_numbers", "uniprot_numbers", "segments",
    )  # fmt: skip
    return dataclasses.replace(
        receptor,
        atom_names=receptor.atom_names[atoms],
        elements=receptor.elements[atoms],
        atom_residue=renumber[receptor.atom_residue[atoms]],
        coordinates=receptor.coordinates[atoms],
        disulfides=renumber[receptor.disulfides],
        changes=(*receptor.changes, *changes),
        notes=(*receptor.notes, *(change.sentence for change in changes)),
        **{name: getattr(receptor, name)[kept] for name in per_residue},
    )
