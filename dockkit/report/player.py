"""Frames of both states for the page's player: C-alpha trace, ligand and the residues beside it, packed small."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from dockkit.core.geometry import superposition
from dockkit.core.model import DynamicsLeg, FloatArray, IntArray, Kinase, Numbering, Receptor, Trajectory
from dockkit.core.residues import amino_acids
from dockkit.report.notation import residue_label
from dockkit.report.viewer import ligand_bonds, orientation, secondary_structure, stick_bonds

MAX_FRAMES = 40
"""Frames of a state that are kept, evenly spaced over its replicas one after another."""

NEAR_ANGSTROM = 5.0
"""Residues whose side chains are drawn: this near to the ligand at the start, and the mutated ones."""

_SCALE = 100.0


def _packed(coordinates: FloatArray) -> str:
    scaled = np.clip(np.rint(coordinates * _SCALE), -32767, 32767).astype("<i2")
    return base64.b64encode(np.ascontiguousarray(scaled).tobytes()).decode("ascii")


def _pairs(bonds: IntArray) -> list[int]:
    return [int(value) for value in bonds.ravel()]


def _keys(receptor: Receptor, residues: IntArray) -> list[tuple[str, int, str]]:
    return [
        (str(receptor.chain_ids[r]), int(receptor.author_numbers[r]), str(receptor.insertion_codes[r]))
        for r in residues
    ]


def _alphas(trajectory: Trajectory) -> IntArray:
    receptor = trajectory.receptor
    return np.flatnonzero(
        (receptor.atom_names == "CA")
        & (receptor.elements == "C")
        & amino_acids(receptor.residue_names)[receptor.atom_residue]
    )


def _mutated(leg: DynamicsLeg) -> set[tuple[str, int, str]]:
    names = []
    for trajectory in (leg.wild_type, leg.mutant):
        receptor = trajectory.receptor
        residues = np.flatnonzero(amino_acids(receptor.residue_names))
        names.append(dict(zip(_keys(receptor, residues), receptor.residue_names[residues].tolist(), strict=True)))
    return {key for key in names[0].keys() & names[1].keys() if names[0][key] != names[1][key]}


def _sticks(trajectory: Trajectory, sites: set[tuple[str, int, str]]) -> tuple[IntArray, IntArray]:
    """Return heavy atoms of the side chains to draw, and which of them belong to a mutated residue."""
    receptor = trajectory.receptor
    residues = np.flatnonzero(amino_acids(receptor.residue_names))
    mutated = [int(r) for r, key in zip(residues, _keys(receptor, residues), strict=True) if key in sites]
    near = np.zeros(receptor.n_residues, dtype=bool)
    near[mutated] = True
    if len(trajectory.ligand_start):
        for atom in trajectory.ligand_start:
            gap = np.square(receptor.coordinates - atom).sum(axis=1)
            near[receptor.atom_residue[gap <= NEAR_ANGSTROM**2]] = True
    near &= amino_acids(receptor.residue_names)
    heavy = (receptor.elements != "H") & ~np.isin(receptor.atom_names, ("N", "C", "O"))
    atoms = np.flatnonzero(heavy & near[receptor.atom_residue])
    return atoms, np.isin(receptor.atom_residue[atoms], mutated).astype(np.int64)


def _laid(frames: FloatArray, atoms: IntArray, reference: FloatArray) -> FloatArray:
    out = np.empty_like(frames)
    for k, frame in enumerate(frames):
        rotation, shift = superposition(frame[atoms], reference)
        out[k] = frame @ rotation + shift
    return out


def _frames(trajectory: Trajectory, alphas: IntArray, reference: FloatArray) -> tuple[FloatArray, list[list[float]]]:
    """Return evenly spaced frames on the reference, and the replica and time of each."""
    replicas, count = trajectory.receptor_coordinates.shape[:2]
    total = replicas * count
    chosen = np.unique(np.linspace(0, total - 1, min(MAX_FRAMES, total)).round().astype(np.int64))
    together = np.concatenate([trajectory.receptor_coordinates, trajectory.ligand_coordinates], axis=2)
    flat = together.reshape(total, -1, 3)[chosen]
    when = [[int(k) // count + 1, float(trajectory.time_ps[int(k) % count])] for k in chosen]
    return _laid(flat, alphas, reference), when


def _state(
    leg: DynamicsLeg,
    trajectory: Trajectory,
    origin: FloatArray,
    anchor: tuple[IntArray, FloatArray],
    numbering: Numbering,
) -> dict[str, Any]:
    receptor = trajectory.receptor
    alphas = _alphas(trajectory)
    sticks, of_site = _sticks(trajectory, _mutated(leg))
    numbers = receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers
    frames, when = _frames(trajectory, *anchor)
    n = receptor.n_atoms
    heavy = np.flatnonzero(leg.ligand.elements != "H") if leg.ligand is not None else np.zeros(0, dtype=np.int64)
    chosen = np.concatenate([alphas, sticks, n + heavy])
    elements = receptor.elements[sticks].tolist()
    labels = [
        [int(k), residue_label(str(receptor.residue_names[r]), int(numbers[r]))]
        for k, r in enumerate(receptor.atom_residue[sticks])
        if of_site[k] and receptor.atom_names[sticks[k]] == "CA"
    ]
    return {
        "trace": len(alphas),
        "segments": receptor.segments[receptor.atom_residue[alphas]].tolist(),
        "kind": secondary_structure(receptor.coordinates[alphas], receptor.segments[receptor.atom_residue[alphas]]),
        "sticks": elements,
        "site": of_site.tolist(),
        "bonds": _pairs(stick_bonds(elements, receptor.coordinates[sticks], receptor.atom_residue[sticks])),
        "labels": labels,
        "when": when,
        "xyz": _packed(frames[:, chosen] - origin),
    }


def build_player(legs: Sequence[DynamicsLeg], kinase: Kinase | None, numbering: Numbering) -> str:
    """Return the data of the page's player as JSON that is safe inside a script element.

    Parameters
    ----------
    legs : sequence of DynamicsLeg
    kinase : Kinase or None
        Gives the first view its orientation.
    numbering : {"uniprot", "author"}
        Of the labels.

    Returns
    -------
    str
        For each leg both states' frames, all laid on the wild type's start by their shared C-alpha atoms.
    """
    out = []
    for leg in legs:
        first = _alphas(leg.wild_type)
        keys = _keys(leg.wild_type.receptor, leg.wild_type.receptor.atom_residue[first])
        second = _alphas(leg.mutant)
        place = dict(
            zip(_keys(leg.mutant.receptor, leg.mutant.receptor.atom_residue[second]), second.tolist(), strict=True)
        )
        shared = [(a, place[key]) for a, key in zip(first.tolist(), keys, strict=True) if key in place]
        own, other = np.array(shared, dtype=np.int64).reshape(-1, 2).T
        reference = leg.wild_type.receptor.coordinates[own]
        centre = (
            leg.wild_type.ligand_start.mean(axis=0) if len(leg.wild_type.ligand_start) else _site_centre(leg, reference)
        )
        bonds: IntArray = np.zeros((0, 2), dtype=np.int64)
        if leg.ligand is not None:
            heavy = np.flatnonzero(leg.ligand.elements != "H")
            renumber = np.full(leg.ligand.n_atoms, -1, dtype=np.int64)
            renumber[heavy] = np.arange(len(heavy))
            bonds = renumber[ligand_bonds(leg.ligand)].reshape(-1, 2)
            bonds = bonds[(bonds >= 0).all(axis=1)]
        rotation = (
            orientation(leg.wild_type.receptor, kinase, centre) if kinase is not None else np.eye(3).ravel().tolist()
        )
        out.append(
            {
                "name": leg.name,
                "rotation": rotation,
                "ligand": [] if leg.ligand is None else leg.ligand.elements[leg.ligand.elements != "H"].tolist(),
                "ligand_bonds": _pairs(bonds),
                "wild": _state(leg, leg.wild_type, centre, (own, reference), numbering),
                "mutant": _state(leg, leg.mutant, centre, (other, reference), numbering),
            }
        )
    text = json.dumps({"scale": _SCALE, "legs": out}, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _site_centre(leg: DynamicsLeg, reference: FloatArray) -> FloatArray:
    """Return the mutated residues' centre, or that of all C-alphas."""
    receptor = leg.wild_type.receptor
    sites = _mutated(leg)
    residues = [r for r, key in enumerate(_keys(receptor, np.arange(receptor.n_residues))) if key in sites]
    atoms = np.isin(receptor.atom_residue, residues)
    return np.asarray(receptor.coordinates[atoms].mean(axis=0) if atoms.any() else reference.mean(axis=0))
