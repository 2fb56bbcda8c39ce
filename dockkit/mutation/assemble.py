"""Put chosen side chains into a receptor: atoms, hydrogens, names; the main chain stays as it is."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import lay_template, unit_vector
from dockkit.core.hydrogens import (
    HYDROGEN_BOND,
    HYDROXYLS,
    PolarCloud,
    polarity,
    prefers_delta,
    residue_hydrogens,
    turn_hydroxyl,
)
from dockkit.core.model import FloatArray, IntArray, Receptor
from dockkit.core.residues import BACKBONE, ResidueTemplate, residue_templates, templates
from dockkit.mutation.candidates import Candidates, residue_atoms

SIDE_LENGTH_H: Final = 1.01

MIN_TURN: Final = 0.5
"""A hydroxyl hydrogen near a mutation is turned where its best place moves by more, Angstrom."""


def _absent(template: ResidueTemplate, previous: dict[str, FloatArray], same: bool) -> frozenset[str]:
    """Return the optional hydrogens to leave out: as before where the residue stays, else the neutral-pH state."""
    if same:
        return frozenset(name for name in template.optional if name not in previous)
    return frozenset({"ASP": ["HD2"], "GLU": ["HE2"], "HIS": ["HD1"]}.get(template.name, []))


def _main_chain(
    template: ResidueTemplate, atoms: dict[str, FloatArray], previous_c: FloatArray | None
) -> dict[str, FloatArray]:
    """Return main-chain atoms of the new residue: heavy ones as they are, hydrogens added where the old had none."""
    kept = {name: atoms[name] for name in ("N", "CA", "C", "O")}
    for name in ("H", "HA", "HA2", "HA3"):
        if name in template.atoms and name in atoms:
            kept[name] = atoms[name]
    if "H" in template.atoms and "H" not in kept:
        toward = unit_vector(atoms["CA"] - atoms["N"])
        if previous_c is not None:
            toward = toward + unit_vector(previous_c - atoms["N"])
        kept["H"] = atoms["N"] - SIDE_LENGTH_H * unit_vector(toward)
    wanted = [str(n) for n in template.atoms if str(n) in ("HA", "HA2", "HA3") and str(n) not in kept]
    if wanted:
        laid = lay_template(template, atoms, ["CA", "N", "C"])
        for name in wanted:
            kept[name] = laid[template.index(name)]
    return kept


def _new_residue(receptor: Receptor, candidates: Candidates, row: int) -> tuple[dict[str, FloatArray], frozenset[str]]:
    template, index = candidates.template, candidates.residue
    atoms = residue_atoms(receptor, index)
    if candidates.own[row]:
        return dict(atoms), frozenset(n for n in template.optional if n not in atoms)
    same = str(receptor.residue_names[index]) == template.name
    absent = _absent(template, atoms, same)
    before = index - 1
    linked = before >= 0 and receptor.segments[before] == receptor.segments[index]
    placed = _main_chain(template, atoms, residue_atoms(receptor, before)["C"] if linked else None)
    side = {
        str(name): candidates.coordinates[row, template.index(str(name))]
        for name in template.atoms
        if str(name) not in BACKBONE
    }
    return {str(n): {**side, **placed}[str(n)] for n in template.atoms}, absent


def replace_side_chains(receptor: Receptor, chosen: list[tuple[Candidates, int]]) -> tuple[Receptor, list[int]]:
    """Return the receptor with new side chains, and the cysteines whose disulfide partner was replaced.

    Parameters
    ----------
    receptor : Receptor
    chosen : list of (Candidates, int)
        A residue's conformers and the row taken.

    Returns
    -------
    receptor : Receptor
        Main-chain heavy atoms untouched.
    freed : list of int
        Residue indices of cysteines that got their hydrogen.
    """
    atoms = {}
    names = [str(n) for n in receptor.residue_names]
    for candidates, row in chosen:
        atoms[candidates.residue], absent = _new_residue(receptor, candidates, row)
        names[candidates.residue] = candidates.template.name
        if not candidates.own[row]:
            _settle(receptor, candidates.residue, candidates.template, atoms[candidates.residue], absent)
    disulfides, freed = _free_partners(receptor, names)
    for index in freed:
        atoms.setdefault(index, residue_atoms(receptor, index))
        atoms[index] = _with_thiol(atoms[index])
    return _rebuilt(receptor, atoms, names, disulfides), freed


def _settle(
    receptor: Receptor, index: int, template: ResidueTemplate, atoms: dict[str, FloatArray], absent: frozenset[str]
) -> None:
    """Choose the histidine tautomer and turn the hydroxyl of a new side chain; drop absent hydrogens. In place."""
    rows = np.flatnonzero(receptor.atom_residue != index)
    centre = atoms["CA"]
    rows = rows[np.linalg.norm(receptor.coordinates[rows] - centre, axis=1) < 16.0]
    residues = receptor.residue_names[receptor.atom_residue[rows]]
    if template.name == "HIS" and str(receptor.residue_names[index]) != "HIS":
        delta = prefers_delta(
            atoms["ND1"], atoms["NE2"], residues, receptor.atom_names[rows], receptor.coordinates[rows]
        )
        absent = frozenset({"HE2" if delta else "HD1"})
    for name in absent:
        atoms.pop(name, None)
    hydroxyl = HYDROXYLS.get(template.name)
    if hydroxyl is None or hydroxyl[2] not in atoms:
        return
    atoms[hydroxyl[2]] = _best_hydroxyl(receptor, template.name, atoms, rows)


def _best_hydroxyl(receptor: Receptor, name: str, atoms: dict[str, FloatArray], rows: IntArray) -> FloatArray:
    """Return where the hydroxyl hydrogen of a residue named ``name`` with these atoms goes, among receptor ``rows``."""
    hydroxyl = HYDROXYLS[name]
    residues = receptor.residue_names[receptor.atom_residue[rows]]
    own = [atom for atom in atoms if atom not in hydroxyl]
    cloud = PolarCloud(
        np.concatenate([receptor.coordinates[rows], np.array([atoms[atom] for atom in own])]),
        np.array(
            [polarity(str(r), str(a)) for r, a in zip(residues, receptor.atom_names[rows], strict=True)]
            + [polarity(name, atom) for atom in own]
        ),
        np.concatenate([receptor.elements[rows] == "H", np.array([atom.startswith("H") for atom in own])]),
    )
    near = np.array(sorted(cKDTree(cloud.coordinates).query_ball_point(atoms[hydroxyl[1]], 6.0)))
    return turn_hydroxyl(name, atoms, cloud.take(near))


def settle_neighbours(before: Receptor, after: Receptor, sites: list[int]) -> tuple[Receptor, list[int]]:
    """Turn hydroxyls and choose tautomers beside the sites anew where the mutation changed their best.

    A hydrogen is left where it is if its best place, by the same rule, was the same before the mutation.

    Parameters
    ----------
    before, after : Receptor
        With the same residues.
    sites : list of int
        Residue indices of the substituted residues.

    Returns
    -------
    receptor : Receptor
    changed : list of int
        Residue indices.
    """
    changed: dict[int, dict[str, FloatArray]] = {}
    for index in _polar_neighbours(before, after, sites):
        name = str(after.residue_names[index])
        old, new = residue_atoms(before, index), residue_atoms(after, index)
        if name == "HIS":
            wanted = _prefers_delta(after, index)
            if wanted != _prefers_delta(before, index) and ("HD1" in new) != wanted:
                changed[index] = _other_tautomer(new, wanted)
            continue
        hydrogen = HYDROXYLS[name][2]
        best = [_best_hydroxyl(r, name, a, _others(r, index)) for r, a in ((before, old), (after, new))]
        turn = float(np.linalg.norm(best[1] - best[0]))
        if turn > MIN_TURN + float(np.linalg.norm(new[HYDROXYLS[name][1]] - old[HYDROXYLS[name][1]])):
            changed[index] = {**new, hydrogen: best[1]}
    if not changed:
        return after, []
    return _rebuilt(after, changed, [str(n) for n in after.residue_names], after.disulfides), sorted(changed)


def _others(receptor: Receptor, index: int) -> IntArray:
    centre = residue_atoms(receptor, index)["CA"]
    rows = np.flatnonzero(receptor.atom_residue != index)
    return np.asarray(rows[np.linalg.norm(receptor.coordinates[rows] - centre, axis=1) < 16.0])


def _prefers_delta(receptor: Receptor, index: int) -> bool:
    atoms, rows = residue_atoms(receptor, index), _others(receptor, index)
    names = receptor.residue_names[receptor.atom_residue[rows]]
    return prefers_delta(atoms["ND1"], atoms["NE2"], names, receptor.atom_names[rows], receptor.coordinates[rows])


def _other_tautomer(atoms: dict[str, FloatArray], delta: bool) -> dict[str, FloatArray]:
    template = templates()["HIS"]
    heavy = {name: xyz for name, xyz in atoms.items() if not name.startswith("H")}
    gone, come = ("HE2", "HD1") if delta else ("HD1", "HE2")
    placed = residue_hydrogens(template, heavy, None, frozenset({gone}))
    full = {**{name: xyz for name, xyz in atoms.items() if name != gone}, come: placed[come]}
    return {str(name): full[str(name)] for name in template.atoms if str(name) in full}


def _polar_neighbours(before: Receptor, after: Receptor, sites: list[int]) -> list[int]:
    """Return residues with a hydroxyl or a neutral imidazole within reach of a polar side-chain atom of a site."""
    found: set[int] = set()
    for receptor in (before, after):
        owner = receptor.atom_residue
        polar = np.isin(receptor.elements, ["N", "O", "S"]) & ~np.isin(receptor.atom_names, ("N", "O"))
        site = np.flatnonzero(polar & np.isin(owner, sites))
        other = np.flatnonzero(polar & ~np.isin(owner, sites))
        if len(site) and len(other):
            gap = cKDTree(receptor.coordinates[site]).query(receptor.coordinates[other])[0]
            found |= set(owner[other[gap < HYDROGEN_BOND]].tolist())
    return [index for index in sorted(found) if _turnable(after, index)]


def _turnable(receptor: Receptor, index: int) -> bool:
    name = str(receptor.residue_names[index])
    atoms = set(receptor.atom_names[receptor.atom_indices(index)].tolist())
    if name == "HIS":
        return len(atoms & {"HD1", "HE2"}) == 1
    return name in ("SER", "THR", "TYR") and HYDROXYLS[name][2] in atoms


def _free_partners(receptor: Receptor, names: list[str]) -> tuple[IntArray, list[int]]:
    kept: list[tuple[int, int]] = []
    freed: list[int] = []
    for a, b in receptor.disulfides.tolist():
        if names[a] == names[b] == "CYS":
            kept.append((a, b))
        else:
            freed += [i for i in (a, b) if names[i] == "CYS"]
    return np.array(kept, dtype=np.int64).reshape(-1, 2), freed


def _with_thiol(atoms: dict[str, FloatArray]) -> dict[str, FloatArray]:
    template = templates()["CYS"]
    laid = lay_template(template, atoms, ["SG", "CB", "CA"])
    full = {**atoms, "HG": laid[template.index("HG")]}
    return {str(name): full[str(name)] for name in template.atoms}


def _rebuilt(
    receptor: Receptor, atoms: dict[int, dict[str, FloatArray]], names: list[str], disulfides: IntArray
) -> Receptor:
    starts = np.searchsorted(receptor.atom_residue, np.arange(receptor.n_residues + 1))
    atom_names: list[str] = []
    elements: list[str] = []
    owners: list[int] = []
    points: list[FloatArray] = []
    for index in range(receptor.n_residues):
        if index in atoms:
            template = residue_templates()[names[index]]
            here = atoms[index]
            atom_names += list(here)
            elements += [str(template.elements[template.index(name)]) for name in here]
            points.append(np.array(list(here.values())))
            owners += [index] * len(here)
            continue
        rows = slice(starts[index], starts[index + 1])
        atom_names += receptor.atom_names[rows].tolist()
        elements += receptor.elements[rows].tolist()
        points.append(receptor.coordinates[rows])
        owners += [index] * (starts[index + 1] - starts[index])
    return dataclasses.replace(
        receptor, atom_names=np.array(atom_names), elements=np.array(elements), atom_residue=np.array(owners),
        coordinates=np.concatenate(points), residue_names=np.array(names), disulfides=disulfides,
    )  # fmt: skip
