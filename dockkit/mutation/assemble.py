"""Put chosen side chains into a receptor: atoms, hydrogens, names; the main chain stays as it is."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import lay_template, unit_vector
from dockkit.core.hydrogens import HYDROXYLS, PolarCloud, polarity, prefers_delta, turn_hydroxyl
from dockkit.core.model import FloatArray, Receptor
from dockkit.core.residues import BACKBONE, ResidueTemplate, residue_templates, templates
from dockkit.mutation.candidates import Candidates, residue_atoms

SIDE_LENGTH_H: Final = 1.01


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


def replace_side_chains(receptor: Receptor, chosen: list[tuple[Candidates, int]], notes: tuple[str, ...]) -> Receptor:
    """Return the receptor with new side chains.

    Parameters
    ----------
    receptor : Receptor
    chosen : list of (Candidates, int)
        A residue's conformers and the row taken.
    notes : tuple of str
        Appended to the receptor's.

    Returns
    -------
    Receptor
        Main-chain heavy atoms untouched. A cysteine whose disulfide partner was replaced gets its hydrogen.
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
        notes = (*notes, f"disulfide broken: CYS {receptor.author_numbers[index]} is now free")
    return _rebuilt(receptor, atoms, names, disulfides, notes)


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
    own = [name for name in atoms if name not in hydroxyl]
    cloud = PolarCloud(
        np.concatenate([receptor.coordinates[rows], np.array([atoms[name] for name in own])]),
        np.array(
            [polarity(str(r), str(a)) for r, a in zip(residues, receptor.atom_names[rows], strict=True)]
            + [polarity(template.name, name) for name in own]
        ),
        np.concatenate([receptor.elements[rows] == "H", np.array([name.startswith("H") for name in own])]),
    )
    near = np.array(sorted(cKDTree(cloud.coordinates).query_ball_point(atoms[hydroxyl[1]], 6.0)))
    atoms[hydroxyl[2]] = turn_hydroxyl(template.name, atoms, cloud.take(near))


def _free_partners(receptor: Receptor, names: list[str]) -> tuple[np.ndarray, list[int]]:
    kept, freed = [], []
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
    receptor: Receptor, atoms: dict[int, dict[str, FloatArray]], names: list[str], disulfides: np.ndarray,
    notes: tuple[str, ...],
) -> Receptor:  # fmt: skip
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
        notes=(*receptor.notes, *notes),
    )  # fmt: skip
