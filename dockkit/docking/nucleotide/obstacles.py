"""Why a site does not hold a nucleotide: the residues that stand where it would."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from dockkit.core.model import FloatArray, Receptor
from dockkit.core.residues import WATER, is_polymer
from dockkit.docking.nucleotide.site import Site
from dockkit.docking.restraints import Clashes

SOFTENED: Final = 0.02
"""Weight of clashes, relative to the search's, in a placement that shows where the nucleotide would stand."""

IN_THE_WAY: Final = 0.6
"""Angstrom of overlap from which a residue is named."""

N_NAMED: Final = 4
"""Residues named at most, deepest overlap first."""

_BACKBONE: Final = ("N", "CA", "C", "O")
_REGIONS: Final = ((range(4, 10), "glycine-rich loop"), (range(81, 86), "DFG motif"), (range(20, 31), "alpha-C helix"))
"""KLIFS positions."""


def obstacles(site: Site, clashes: Clashes, coordinates: FloatArray) -> list[str]:
    """Return the residues, waters and ions that overlap a nucleotide placed as if nothing were in its way.

    Parameters
    ----------
    site : Site
    clashes : Clashes
    coordinates : (n_atoms, 3) float
        The placement, Angstrom.

    Returns
    -------
    list of str
        Such as ``PHE 382 (DFG motif, 1.8 A)``, deepest first.
    """
    overlap = np.maximum(clashes.limits - cdist(coordinates[clashes.heavy], site.coordinates), 0.0).max(axis=0)
    deepest: dict[int, tuple[float, int]] = {}
    for atom in np.flatnonzero(overlap > IN_THE_WAY).tolist():
        residue = int(site.receptor.atom_residue[site.index[atom]])
        if overlap[atom] > deepest.get(residue, (0.0, 0))[0]:
            deepest[residue] = float(overlap[atom]), atom
    ranked = sorted(deepest.items(), key=lambda item: (-item[1][0], item[0]))[:N_NAMED]
    return [_described(site, residue, depth, atom) for residue, (depth, atom) in ranked]


def _described(site: Site, residue: int, depth: float, atom: int) -> str:
    label, name, atom_name = site.labels(np.array([atom]))[0]
    number = int(site.receptor.uniprot_numbers[residue])
    if name == WATER:
        what = "a kept water"
    elif not is_polymer(np.array([name]))[0]:
        what = "a kept ion"
    else:
        positions = [p for p, n in enumerate(site.kinase.pocket, start=1) if n and n == number]
        named = [text for span, text in _REGIONS if positions and positions[0] in span]
        what = named[0] if named else "main chain" if atom_name in _BACKBONE else "side chain"
    return f"{label} ({what}, {depth:.1f} A)"


def dfg_refusal(receptor: Receptor) -> str:
    """Return why a DFG-out structure holds no nucleotide, with the distances that say it is; empty for others."""
    if receptor.conformation.dfg != "out":
        return ""
    measures = dict(receptor.conformation.measures)
    figures = ", ".join(
        f"{measures[key]:.1f} A to {name}"
        for key, name in (("dfg_phe_to_alpha_c", "the alpha-C helix"), ("dfg_phe_to_lysine", "the catalytic Lys"))
        if key in measures
    )
    shown = f" (its Phe is {figures})" if figures else ""
    return (
        f"it is DFG-out{shown}, so that the DFG Asp points away from the phosphates and the Phe lies where they "
        "would; use a DFG-in structure of this kinase"
    )
