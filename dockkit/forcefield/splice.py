"""Parameters of a mutant from those of the receptor it was made of: only what touches a changed residue is made anew.

A residue's Amber parameters depend on its own atoms and on those of its two neighbours, so a capped fragment of the
changed residue and its neighbours has them all. It is a hundred atoms where the receptor has thousands.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from openmm import app

from dockkit.core.model import IntArray, LigandParameters, Receptor
from dockkit.core.residues import is_polymer
from dockkit.forcefield.protein import fragment_parameters, receptor_parameters

_CAPS: Final = {
    "ACE": (("H1", "CH3", "H2", "H3", "C", "O"), ("H", "C", "H", "H", "C", "O")),
    "NME": (("N", "H", "C", "H1", "H2", "H3"), ("N", "H", "C", "H", "H", "H")),
}
"""Atom names and elements of the caps of a fragment, as OpenMM's table of standard bonds has them."""


def changed_parameters(known: LigandParameters, before: Receptor, after: Receptor) -> LigandParameters:
    """Return the Amber parameters of a receptor of which another, like it but for some residues, is parametrised.

    Parameters
    ----------
    known : LigandParameters
        Of ``before``, from :func:`dockkit.forcefield.protein.receptor_parameters`.
    before, after : Receptor
        The same residues in the same order, some of them of another kind or with other hydrogens.

    Returns
    -------
    LigandParameters
        Of ``after``: what :func:`dockkit.forcefield.protein.receptor_parameters` returns, rows in another order.

    Raises
    ------
    ForceFieldError
        A residue matches no template.
    """
    changed = _changed_residues(before, after)
    if changed is None:
        return receptor_parameters(after)
    if not len(changed):
        return known
    new = np.full(before.n_atoms, -1, dtype=np.int64)
    same_before = ~np.isin(before.atom_residue, changed)
    same_after = ~np.isin(after.atom_residue, changed)
    new[same_before] = np.flatnonzero(same_after)
    pieces = [(known, new)]
    for first, last in _runs(changed):
        pieces.append(_fragment(after, first, last))
    return _joined(known, pieces, ~same_after, after)


def _changed_residues(before: Receptor, after: Receptor) -> IntArray | None:
    """Return the indices of residues with other atoms; None where a fragment cannot stand for them."""
    if before.n_residues != after.n_residues or not np.array_equal(before.segments, after.segments):
        return None
    changed = [
        i
        for i, (old, new) in enumerate(zip(_atoms_by_residue(before), _atoms_by_residue(after), strict=True))
        if old != new or before.residue_names[i] != after.residue_names[i]
    ]
    bridged = {*before.disulfides.ravel().tolist()} ^ {*after.disulfides.ravel().tolist()}
    around = {j for i in changed for j in (i - 1, i, i + 1) if 0 <= j < after.n_residues}
    held = {*before.disulfides.ravel().tolist(), *after.disulfides.ravel().tolist()}
    if bridged or around & held or not is_polymer(after.residue_names[changed]).all():
        return None
    return np.array(changed, dtype=np.int64)


def _atoms_by_residue(receptor: Receptor) -> list[tuple[str, ...]]:
    start = np.searchsorted(receptor.atom_residue, np.arange(receptor.n_residues + 1)).tolist()
    names = receptor.atom_names.tolist()
    return [tuple(names[a:b]) for a, b in zip(start[:-1], start[1:], strict=True)]


def _runs(changed: IntArray) -> list[tuple[int, int]]:
    """Return first and last of every stretch of changed residues; two with one between them share a fragment."""
    groups = np.split(changed, np.flatnonzero(np.diff(changed) > 2) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups]


def _fragment(after: Receptor, first: int, last: int) -> tuple[LigandParameters, IntArray]:
    """Return the parameters of these residues with a neighbour on each side, and each atom's place in the receptor."""
    segment = after.segments[first]

    def belongs(index: int) -> bool:
        return 0 <= index < after.n_residues and bool(after.segments[index] == segment)

    start = first - 1 if belongs(first - 1) else first
    stop = last + 1 if belongs(last + 1) else last
    topology = app.Topology()
    chain = topology.addChain("A")
    place: list[int] = []
    if belongs(start - 1):
        place += _add_cap(topology, chain, "ACE")
    for index in range(start, stop + 1):
        residue = topology.addResidue(str(after.residue_names[index]), chain)
        for atom in after.atom_indices(index).tolist():
            element = app.Element.getBySymbol(str(after.elements[atom]))
            topology.addAtom(str(after.atom_names[atom]), element, residue)
            place.append(atom)
    if belongs(stop + 1):
        place += _add_cap(topology, chain, "NME")
    return fragment_parameters(topology, after, slice(start, stop + 1)), np.array(place, dtype=np.int64)


def _add_cap(topology: app.Topology, chain: app.topology.Chain, name: str) -> list[int]:
    residue = topology.addResidue(name, chain)
    names, elements = _CAPS[name]
    for atom, element in zip(names, elements, strict=True):
        topology.addAtom(atom, app.Element.getBySymbol(element), residue)
    return [-1] * len(names)


def _joined(
    known: LigandParameters, pieces: list[tuple[LigandParameters, IntArray]], fresh: NDArray[np.bool_], after: Receptor
) -> LigandParameters:
    """Join what is known of unchanged atoms with the rows of fragments that touch a changed one."""
    values: dict[str, Any] = {}
    for name in ("masses", "charges", "sigma", "epsilon"):
        whole = np.full(after.n_atoms, np.nan)
        for order, (parameters, place) in enumerate(pieces):
            there = place >= 0
            if order:
                there[there] = fresh[place[there]]
            whole[place[there]] = getattr(parameters, name)[there]
        values[name] = whole
    rows: dict[str, Any] = {}
    for kind in ("bond", "angle", "torsion", "exception"):
        atoms, numbers = [], []
        for order, (parameters, place) in enumerate(pieces):
            local = place[getattr(parameters, f"{kind}_atoms")]
            kept = (local >= 0).all(axis=1)
            if order:
                kept &= fresh[local].any(axis=1)
            atoms.append(local[kept])
            numbers.append(getattr(parameters, f"{kind}_parameters")[kept])
        rows[f"{kind}_atoms"], rows[f"{kind}_parameters"] = np.concatenate(atoms), np.concatenate(numbers)
    return LigandParameters(name=after.name, smiles="", method=known.method, **values, **rows)
