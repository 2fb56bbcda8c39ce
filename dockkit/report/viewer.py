"""What the page's 3-D view shows: pocket, ligand, backbone trace and hydrogen bonds, packed small."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from scipy.spatial import cKDTree

from dockkit.core.model import ComplexState, FloatArray, IntArray, Kinase, Ligand, Receptor, RowDetail, StudyResult
from dockkit.report.notation import Framed, residue_label, residue_numbers, row_stems

POCKET_ANGSTROM = 8.0
NEAR_ANGSTROM = 4.5
"""Residues this close to the ligand or a mutated residue are stored; this close, shown at once."""

MAX_BYTES = 1_300_000
"""Views beyond this many bytes are left out, and the page says so."""

_SCALE = 100.0
_HBOND_ANGSTROM, _HBOND_COSINE = 2.6, -0.5
_RADII = {"H": 0.31, "C": 0.76, "N": 0.71, "O": 0.66, "F": 0.57, "P": 1.07, "S": 1.05, "Cl": 1.02, "Br": 1.2, "I": 1.39}
_BOND_TOLERANCE = 0.4


@dataclass(frozen=True, slots=True)
class Scene:
    """The 3-D part of the page.

    Parameters
    ----------
    json : str
        Data for ``viewer.js``; safe inside a script element.
    n_views : int
        Views that are in it.
    left_out : tuple of str
        ``mutation, ligand`` pairs that did not fit in the page.
    """

    json: str
    n_views: int
    left_out: tuple[str, ...]


def _pack(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")


def _pack_coordinates(coordinates: FloatArray, origin: FloatArray) -> str:
    scaled = np.clip(np.rint((coordinates - origin) * _SCALE), -32767, 32767)
    return _pack(scaled, "<i2")


def stick_bonds(elements: list[str], coordinates: FloatArray, residues: IntArray) -> IntArray:
    """Return bonds within a residue or between neighbours in sequence, from distances and covalent radii."""
    if len(elements) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = cKDTree(coordinates).query_pairs(2.4, output_type="ndarray").reshape(-1, 2)
    radii = np.array([_RADII.get(element, 0.8) for element in elements])
    length = np.linalg.norm(coordinates[pairs[:, 0]] - coordinates[pairs[:, 1]], axis=1)
    fits = (length < radii[pairs].sum(axis=1) + _BOND_TOLERANCE) & (np.abs(np.diff(residues[pairs], axis=1))[:, 0] <= 1)
    kept = np.sort(pairs[fits], axis=1)
    return np.asarray(kept[np.lexsort((kept[:, 1], kept[:, 0]))], dtype=np.int64)


def ligand_bonds(ligand: Ligand) -> IntArray:
    """Return the pairs of bonded atoms, (n_bonds, 2) int."""
    molecule = Chem.MolFromMolBlock(ligand.mol_block, removeHs=False, sanitize=False)
    if molecule is None or molecule.GetNumAtoms() != ligand.n_atoms:
        return np.zeros((0, 2), dtype=np.int64)
    pairs = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def hydrogen_bonds(state: ComplexState, ligand: Ligand) -> list[tuple[int, int]]:
    """Return hydrogen bonds between ligand and protein as pairs of heavy atoms.

    Donors and acceptors are N or O; hydrogen to acceptor below 2.6 A, angle at the hydrogen above 120 degrees.

    Parameters
    ----------
    state : ComplexState
        The relaxed complex, hydrogens included.
    ligand : Ligand
        Its ligand.

    Returns
    -------
    list of (int, int)
        Receptor atom and ligand atom.
    """
    receptor = state.receptor
    protein = (receptor.coordinates, np.isin(receptor.elements, ("N", "O")), receptor.elements == "H")
    small = (state.ligand_coordinates, np.isin(ligand.elements, ("N", "O")), ligand.elements == "H")
    found = {(heavy, other) for heavy, other in _donations(*protein, *small)}
    found |= {(other, heavy) for heavy, other in _donations(*small, *protein)}
    return sorted(found)


def _donations(
    xyz: FloatArray, polar: Any, hydrogen: Any, other_xyz: FloatArray, other_polar: Any, _other_hydrogen: Any
) -> list[tuple[int, int]]:
    hydrogens, donors, acceptors = (np.flatnonzero(mask) for mask in (hydrogen, polar, other_polar))
    if not (len(hydrogens) and len(donors) and len(acceptors)):
        return []
    distance, nearest = cKDTree(xyz[donors]).query(xyz[hydrogens])
    bound = distance < 1.2
    hydrogens, donors = hydrogens[bound], donors[nearest[bound]]
    pairs = []
    for hydrogen_atom, donor, near in zip(
        hydrogens, donors, cKDTree(other_xyz[acceptors]).query_ball_point(xyz[hydrogens], _HBOND_ANGSTROM), strict=True
    ):
        for acceptor in acceptors[near]:
            back, forth = xyz[donor] - xyz[hydrogen_atom], other_xyz[acceptor] - xyz[hydrogen_atom]
            if back @ forth / (np.linalg.norm(back) * np.linalg.norm(forth)) < _HBOND_COSINE:
                pairs.append((int(donor), int(acceptor)))
    return pairs


def secondary_structure(trace: FloatArray, segments: IntArray) -> str:
    """Return h, e or c for each C-alpha from its distances to the second, third and fourth next (P-SEA-like)."""
    n = len(trace)
    kind = np.full(n, "c")

    def fits(offset: int, low: float, high: float) -> NDArray[np.bool_]:
        mask = np.zeros(n, dtype=bool)
        if n > offset:
            length = np.linalg.norm(trace[offset:] - trace[:-offset], axis=1)
            mask[:-offset] = (length > low) & (length < high) & (segments[offset:] == segments[:-offset])
        return mask

    for letter, mask, span in (
        ("e", fits(2, 6.1, 7.4) & fits(3, 9.0, 11.4), 4),
        ("h", fits(2, 4.9, 6.1) & fits(3, 4.3, 6.2), 4),
    ):
        starts = np.flatnonzero(mask[:-1] & mask[1:]) if n > 1 else np.zeros(0, dtype=np.int64)
        for start in starts:
            kind[start : start + span] = letter
    return "".join(kind)


def _landmarks(kinase: Kinase) -> dict[int, str]:
    spans = (
        ("hinge", kinase.gatekeeper + 1, kinase.gatekeeper + 6, kinase.gatekeeper),
        ("dfg", kinase.dfg_aspartate - 1, kinase.dfg_aspartate + 3, kinase.dfg_aspartate),
        ("alpha-c", kinase.alpha_c_glutamate - 8, kinase.alpha_c_glutamate + 7, kinase.alpha_c_glutamate),
    )
    return {number: name for name, low, high, present in spans if present for number in range(low, high)}


def _marks(kinase: Kinase) -> dict[int, str]:
    named = (
        (kinase.catalytic_lysine, "catalytic Lys"), (kinase.alpha_c_glutamate, "αC Glu"),
        (kinase.hinge_middle, "hinge"), (kinase.dfg_aspartate, "DFG Asp"), (kinase.gatekeeper, "gatekeeper"),
    )  # fmt: skip
    return {number: text for number, text in named if number}


class SceneBuilder:
    """Collects views; traces and ligands that several views share are stored once."""

    def __init__(self, result: Framed, origin: FloatArray) -> None:
        self.result, self.origin = result, origin
        self.traces: dict[str, int] = {}
        self.trace_list: list[dict[str, Any]] = []
        self.ligands: dict[str, int] = {}
        self.ligand_list: list[dict[str, Any]] = []
        self.size = 0

    def _shared(self, item: dict[str, Any], index: dict[str, int], items: list[dict[str, Any]]) -> int:
        text = json.dumps(item, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in index:
            index[key] = len(items)
            items.append(item)
            self.size += len(text)
        return index[key]

    def trace(self, receptor: Receptor) -> int:
        """Return the index of a main-chain trace, added where it is new."""
        alpha = np.flatnonzero((receptor.atom_names == "CA") & (receptor.elements == "C"))
        residues = receptor.atom_residue[alpha]
        segments = receptor.segments[residues]
        landmarks = _landmarks(self.result.kinase)
        item = {
            "xyz": _pack_coordinates(receptor.coordinates[alpha], self.origin),
            "segments": segments.tolist(),
            "kind": secondary_structure(receptor.coordinates[alpha], segments),
            "part": [landmarks.get(int(number), "") for number in receptor.uniprot_numbers[residues]],
        }
        return self._shared(item, self.traces, self.trace_list)

    def ligand(self, ligand: Ligand) -> int:
        """Return the index of a ligand, added where it is new."""
        heavy = np.flatnonzero(ligand.elements != "H")
        renumber = np.full(ligand.n_atoms, -1, dtype=np.int64)
        renumber[heavy] = np.arange(len(heavy))
        bonds = renumber[ligand_bonds(ligand)]
        bonds = bonds[(bonds >= 0).all(axis=1)] if len(bonds) else bonds
        item = {"elements": ligand.elements[heavy].tolist(), "bonds": _pack(bonds, "<u2")}
        return self._shared(item, self.ligands, self.ligand_list)

    def state(self, state: ComplexState, ligand: Ligand, sites: set[int]) -> dict[str, Any]:
        """Return what is drawn of one state: trace, ligand, side chains of the sites and of what touches the ligand."""
        receptor = state.receptor
        numbers = np.array(residue_numbers(receptor, self.result), dtype=np.int64)
        is_site = np.isin(numbers, sorted(sites)) & (numbers != 0)
        heavy = receptor.elements != "H"
        lig_heavy = ligand.elements != "H"
        anchors = np.vstack(
            [state.ligand_coordinates[lig_heavy], receptor.coordinates[heavy & is_site[receptor.atom_residue]]]
        )
        distance = cKDTree(anchors).query(receptor.coordinates)[0]
        nearest = np.full(receptor.n_residues, np.inf)
        np.minimum.at(nearest, receptor.atom_residue[heavy], distance[heavy])
        shown = nearest <= POCKET_ANGSTROM
        atoms = np.flatnonzero(heavy & shown[receptor.atom_residue])
        place = {int(atom): index for index, atom in enumerate(atoms)}
        residues = np.flatnonzero(shown)
        slot = np.full(receptor.n_residues, -1, dtype=np.int64)
        slot[residues] = np.arange(len(residues))
        elements = receptor.elements[atoms].tolist()
        lig_place = {int(atom): index for index, atom in enumerate(np.flatnonzero(lig_heavy))}
        bonds_h = [(place[a], lig_place[b]) for a, b in hydrogen_bonds(state, ligand) if a in place and b in lig_place]
        marks = _marks(self.result.kinase)
        return {
            "trace": self.trace(receptor),
            "ligand": _pack_coordinates(state.ligand_coordinates[lig_heavy], self.origin),
            "xyz": _pack_coordinates(receptor.coordinates[atoms], self.origin),
            "elements": " ".join(elements),
            "names": " ".join(receptor.atom_names[atoms].tolist()),
            "residue": _pack(slot[receptor.atom_residue[atoms]], "<u2"),
            "bonds": _pack(stick_bonds(elements, receptor.coordinates[atoms], receptor.atom_residue[atoms]), "<u2"),
            "labels": [residue_label(str(receptor.residue_names[r]), int(numbers[r])) for r in residues],
            "marks": [marks.get(int(receptor.uniprot_numbers[r]), "") for r in residues],
            "near": [int(nearest[r] <= NEAR_ANGSTROM) for r in residues],
            "site": [int(is_site[r]) for r in residues],
            "hbonds": bonds_h,
        }


def orientation(receptor: Receptor, kinase: Kinase, ligand_centre: FloatArray) -> list[float]:
    """Return a rotation (row-major 3 x 3) that shows the N-lobe above, the hinge to the left; identity if unknown."""
    alpha = {
        int(receptor.uniprot_numbers[receptor.atom_residue[i]]): receptor.coordinates[i]
        for i in np.flatnonzero((receptor.atom_names == "CA") & (receptor.elements == "C"))
    }
    points = [alpha.get(n) for n in (kinase.catalytic_lysine, kinase.hrd_aspartate, kinase.hinge_middle)]
    lysine, hrd, hinge = points
    identity = np.eye(3).ravel().tolist()
    if lysine is None or hrd is None or hinge is None:
        return identity
    up, right = lysine - hrd, ligand_centre - hinge
    up = up / max(float(np.linalg.norm(up)), 1e-9)
    right = right - (right @ up) * up
    if np.linalg.norm(right) < 1e-3:
        return identity
    right = right / np.linalg.norm(right)
    return [round(float(v), 5) for v in np.vstack([right, up, np.cross(right, up)]).ravel()]


def build_scene(result: StudyResult) -> Scene:
    """Collect what the 3-D view needs from every row that has both states.

    Parameters
    ----------
    result : StudyResult
        The finished study.

    Returns
    -------
    Scene
        Inhibitors first, then ATP; views that would make the page too big are named in ``left_out``.
    """
    details = [*result.rows, *result.atp]
    usable = [
        (stem, d)
        for stem, d in zip(row_stems(details), details, strict=True)
        if d.ligand is not None and d.wild_type is not None and d.mutant is not None
    ]
    if not usable:
        return Scene("", 0, ())
    first = usable[0][1]
    assert first.wild_type is not None
    origin = first.wild_type.ligand_coordinates.mean(axis=0)
    builder = SceneBuilder(result, origin)
    views: list[dict[str, Any]] = []
    left_out: list[str] = []
    for stem, detail in usable:
        if builder.size > MAX_BYTES:
            left_out.append(f"{detail.row.mutation}, {detail.row.ligand}")
            continue
        view = _view(builder, stem, detail)
        builder.size += len(json.dumps(view))
        views.append(view)
    data = {
        "scale": _SCALE,
        "rotation": orientation(first.wild_type.receptor, result.kinase, origin),
        "traces": builder.trace_list,
        "ligands": builder.ligand_list,
        "views": views,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return Scene(text, len(views), tuple(left_out))


def _changed(detail: RowDetail, result: Framed) -> set[int]:
    """Return the numbers at which the two states have different residues."""
    assert detail.wild_type is not None
    assert detail.mutant is not None
    names: list[dict[int, str]] = []
    for receptor in (detail.wild_type.receptor, detail.mutant.receptor):
        numbers = residue_numbers(receptor, result)
        names.append({n: str(name) for n, name in zip(numbers, receptor.residue_names, strict=True) if n})
    before, after = names
    return {number for number in before.keys() & after.keys() if before[number] != after[number]}


def _view(builder: SceneBuilder, stem: str, detail: RowDetail) -> dict[str, Any]:
    assert detail.ligand is not None
    assert detail.wild_type is not None
    assert detail.mutant is not None
    sites = {item.number for item in detail.variant.substitutions} | _changed(detail, builder.result)
    return {
        "id": stem,
        "mutation": detail.row.mutation,
        "name": detail.row.ligand,
        "ligand": builder.ligand(detail.ligand),
        "states": {
            "wild": builder.state(detail.wild_type, detail.ligand, sites),
            "mutant": builder.state(detail.mutant, detail.ligand, sites),
        },
    }


def hot_spot_scene(
    result: StudyResult, state: ComplexState, ligand: Ligand, heat: Mapping[int, float], named: Collection[int]
) -> Scene:
    """Collect what the 3-D view needs to show how hot the residues around a ligand are.

    Parameters
    ----------
    result : StudyResult
        For its kinase and numbering.
    state : ComplexState
        The wild type with the ligand.
    ligand : Ligand
    heat : mapping of int to float
        Residue number (the study's) to 0 (cold) ... 1 (hot); other residues stay grey.
    named : collection of int
        Residues drawn thick and labelled.

    Returns
    -------
    Scene
        One view, which has no mutant.
    """
    origin = state.ligand_coordinates.mean(axis=0)
    builder = SceneBuilder(result, origin)
    shown = builder.state(state, ligand, set(named))
    receptor = state.receptor
    numbers = dict(zip(range(receptor.n_residues), residue_numbers(receptor, result), strict=True))
    labels = {residue_label(str(receptor.residue_names[r]), number): number for r, number in numbers.items() if number}
    of_label = [labels.get(label, 0) for label in shown["labels"]]
    shown["heat"] = [round(float(heat[number]), 3) if number in heat else -1 for number in of_label]
    shown["near"] = [int(near or number in heat) for near, number in zip(shown["near"], of_label, strict=True)]
    data = {
        "scale": _SCALE,
        "rotation": orientation(receptor, result.kinase, origin),
        "single": 1,
        "traces": builder.trace_list,
        "ligands": [],
        "views": [
            {"id": "hot-spots", "mutation": "", "name": ligand.name, "ligand": builder.ligand(ligand),
             "states": {"wild": shown}}
        ],
    }  # fmt: skip
    data["ligands"] = builder.ligand_list
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return Scene(text, 1, ())
