"""Look at built side chains: atoms that clash, bonds that pass through rings, formal charge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from dockkit.core.model import FloatArray, IntArray, Receptor
from dockkit.core.residues import IONS, PHOSPHORYLATED, residue_templates
from dockkit.core.rings import RINGS, pierced, residue_rings

VAN_DER_WAALS: Final = {"C": 1.70, "N": 1.55, "O": 1.52, "S": 1.80, "P": 1.80, "F": 1.47, "Cl": 1.75, "Br": 1.85,
                        "I": 1.98}  # fmt: skip
"""Radii of Bondi, J. Phys. Chem. 1964, 68, 441, Angstrom; 1.7 for elements not named."""

CLASH_OVERLAP: Final = 0.6
"""Heavy atoms whose spheres overlap by this much clash, Angstrom (C and C nearer than 2.8, C and O than 2.6)."""

POLAR_OVERLAP: Final = 0.75
"""The same for two of N, O and S, which may share a hydrogen."""

BONDED: Final = 1.95
LIGAND: Final = "ligand"


@dataclass(frozen=True, slots=True)
class Clash:
    """Two heavy atoms too near to each other, or a bond through a ring.

    Parameters
    ----------
    first, second : str
        Such as ``ILE A:315 CD1`` (author numbers), or ``ligand atom 12``; for a bond both its atoms, for a ring its
        residue.
    distance : float
        Angstrom; 0 for a pierced ring.
    threaded : bool
        A bond passes through a ring.
    """

    first: str
    second: str
    distance: float
    threaded: bool = False

    @property
    def sentence(self) -> str:
        """One line."""
        if self.threaded:
            return f"bond {self.first} passes through the ring of {self.second}"
        return f"{self.first} and {self.second} are {self.distance:.2f} A apart"


def _label(receptor: Receptor, atom: int) -> str:
    index = int(receptor.atom_residue[atom])
    return (
        f"{receptor.residue_names[index]} {receptor.chain_ids[index]}:{receptor.author_numbers[index]}"
        f"{receptor.insertion_codes[index]} {receptor.atom_names[atom]}"
    )


def receptor_bonds(receptor: Receptor, residues: Iterable[int] | None = None) -> IntArray:
    """Return the bonds between heavy atoms as atom indices, (n, 2) int.

    Parameters
    ----------
    receptor : Receptor
    residues : iterable of int, optional
        Only bonds inside these residues, to the residue after each, and disulfides; default all.
    """
    wanted = range(receptor.n_residues) if residues is None else sorted(set(residues))
    starts = np.searchsorted(receptor.atom_residue, np.arange(receptor.n_residues + 1))

    def place(index: int) -> dict[str, int]:
        return {str(receptor.atom_names[i]): i for i in range(starts[index], starts[index + 1])}

    bonds: list[tuple[int, int]] = []
    for index in wanted:
        here = place(index)
        template = residue_templates().get(str(receptor.residue_names[index]))
        inside = template.bonds if template is not None else (("C", "O"), ("C", "CH3"), ("N", "C"))
        bonds += [(here[a], here[b]) for a, b in inside if a in here and b in here]
        after = index + 1
        if after < receptor.n_residues and receptor.segments[after] == receptor.segments[index] and "C" in here:
            following = place(after)
            bonds += [(here["C"], following["N"])] if "N" in following else []
    for a, b in receptor.disulfides.tolist():
        first, second = place(a), place(b)
        bonds += [(first["SG"], second["SG"])] if "SG" in first and "SG" in second else []
    found = np.array(bonds, dtype=np.int64).reshape(-1, 2)
    return np.asarray(found[(receptor.elements[found] != "H").all(axis=1)])


def find_clashes(
    receptor: Receptor, residues: Iterable[int], ligand_coordinates: ArrayLike | None = None,
    ligand_elements: ArrayLike | None = None,
) -> tuple[Clash, ...]:  # fmt: skip
    """Return the clashes of some residues' side chains with everything else, waters excepted.

    Parameters
    ----------
    receptor : Receptor
    residues : iterable of int
        Residue indices.
    ligand_coordinates : (n, 3) float, optional
        Angstrom.
    ligand_elements : (n,) str, optional

    Returns
    -------
    tuple of Clash
        Nearest first. Atoms within three bonds of each other do not count.
    """
    inside = np.array(sorted(set(residues)), dtype=np.int64)
    owner = receptor.atom_residue
    solid = (receptor.elements != "H") & ~np.isin(receptor.residue_names[owner], ["HOH", *IONS])
    heavy = np.flatnonzero(solid)
    points, elements = np.zeros((0, 3)), np.array([], dtype=str)
    if ligand_coordinates is not None:
        points = np.asarray(ligand_coordinates, dtype=np.float64).reshape(-1, 3)
        elements = np.full(len(points), "C") if ligand_elements is None else np.asarray(ligand_elements, dtype=str)
        points, elements = points[elements != "H"], elements[elements != "H"]
    xyz = np.concatenate([receptor.coordinates[heavy], points])
    symbols = np.concatenate([receptor.elements[heavy], elements])
    main = np.isin(receptor.atom_names[heavy], ("N", "CA", "C", "O"))
    side = np.concatenate([np.isin(owner[heavy], inside) & ~main, np.zeros(len(points), dtype=bool)])
    pairs = cKDTree(xyz).query_pairs(3.4, output_type="ndarray")
    pairs = pairs[side[pairs].any(axis=1)]
    if len(pairs) == 0:
        return ()
    gaps = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1)
    radii = np.array([VAN_DER_WAALS.get(s, 1.7) for s in symbols.tolist()])
    polar = np.isin(symbols, ["N", "O", "S"])[pairs].all(axis=1)
    overlap = radii[pairs].sum(axis=1) - gaps
    suspect = overlap > np.where(polar, POLAR_OVERLAP, CLASH_OVERLAP)
    pairs, gaps = pairs[suspect], gaps[suspect]
    near = _within_three_bonds(receptor, heavy, pairs)
    labels = [
        [_label(receptor, int(heavy[i])) if i < len(heavy) else f"{LIGAND} atom {i - len(heavy) + 1}" for i in pair]
        for pair in pairs
    ]
    found = [
        Clash(first, second, round(float(gap), 2))
        for (first, second), gap, bonded in zip(labels, gaps, near, strict=True)
        if not bonded
    ]
    return tuple(sorted(found, key=lambda clash: (clash.distance, clash.first, clash.second)))


def _within_three_bonds(receptor: Receptor, heavy: IntArray, pairs: IntArray) -> list[bool]:
    if len(pairs) == 0:
        return []
    atoms = heavy[pairs[pairs < len(heavy)]]
    touched = np.unique(receptor.atom_residue[atoms])
    around = {int(i) + k for i in touched for k in (-1, 0, 1)} & set(range(receptor.n_residues))
    partners = {int(i) for pair in receptor.disulfides.tolist() if set(pair) & around for i in pair}
    graph = nx.Graph()
    graph.add_edges_from(map(tuple, receptor_bonds(receptor, around | partners).tolist()))
    out = []
    for a, b in pairs.tolist():
        if a >= len(heavy) or b >= len(heavy):
            out.append(False)
            continue
        first, second = int(heavy[a]), int(heavy[b])
        reach = nx.single_source_shortest_path_length(graph, first, cutoff=3) if first in graph else {}
        out.append(second in reach)
    return out


def find_threaded(
    receptor: Receptor, residues: Iterable[int] | None = None, ligand_coordinates: ArrayLike | None = None,
    ligand_elements: ArrayLike | None = None,
) -> tuple[Clash, ...]:  # fmt: skip
    """Return bonds that pass through a ring of another residue or of the ligand, and ligand bonds through rings.

    Parameters
    ----------
    receptor : Receptor
    residues : iterable of int, optional
        Look only at bonds and rings of these residues (against everything); default all.
    ligand_coordinates : (n, 3) float, optional
        Angstrom; its bonds and rings are found by distance.
    ligand_elements : (n,) str, optional

    Returns
    -------
    tuple of Clash
        With ``threaded`` set.
    """
    chosen = None if residues is None else set(residues)
    looked = range(receptor.n_residues) if chosen is None else _near_residues(receptor, chosen, 4.0)
    bonds = receptor_bonds(receptor, looked)
    middles = receptor.coordinates[bonds].mean(axis=1)
    rings: list[tuple[int, str, FloatArray]] = []
    for index in looked:
        name = str(receptor.residue_names[index])
        if name not in RINGS:
            continue
        rows = receptor.atom_indices(index)
        xyz = {str(receptor.atom_names[i]): receptor.coordinates[i] for i in rows}
        label = f"{name} {receptor.chain_ids[index]}:{receptor.author_numbers[index]}{receptor.insertion_codes[index]}"
        rings += [(index, label, ring) for ring in residue_rings(name, xyz)]
    if ligand_coordinates is not None and not _touches(receptor, chosen, ligand_coordinates, 3.0):
        ligand_coordinates = None
    ligand_pairs, ligand_rings, points = _ligand_graph(ligand_coordinates, ligand_elements)
    rings += [(-1, LIGAND, ring) for ring in ligand_rings]
    found = []
    for owner, label, ring in rings:
        near = np.flatnonzero(np.linalg.norm(middles - ring.mean(axis=0), axis=1) < 3.0)
        hit = near[pierced(ring, receptor.coordinates[bonds[near, 0]], receptor.coordinates[bonds[near, 1]])]
        for a, b in bonds[hit].tolist():
            ends = {int(receptor.atom_residue[a]), int(receptor.atom_residue[b])}
            if chosen is None or owner in chosen or ends & chosen:
                found.append(Clash(f"{_label(receptor, a)} - {_label(receptor, b)}", label, 0.0, True))
        if owner >= 0 and len(ligand_pairs) and (chosen is None or owner in chosen):
            through = pierced(ring, points[ligand_pairs[:, 0]], points[ligand_pairs[:, 1]])
            found += [Clash(f"{LIGAND} atoms {a + 1} - {b + 1}", label, 0.0, True) for a, b in ligand_pairs[through]]
    return tuple(found)


def _near_residues(receptor: Receptor, chosen: set[int], reach: float) -> list[int]:
    """Return the residues with an atom within ``reach`` of the chosen ones, these included."""
    rows = np.isin(receptor.atom_residue, sorted(chosen))
    if not rows.any():
        return []
    gap = cKDTree(receptor.coordinates[rows]).query(receptor.coordinates)[0]
    return [int(i) for i in np.unique(receptor.atom_residue[gap < reach])]


def _touches(receptor: Receptor, chosen: set[int] | None, points: ArrayLike, reach: float) -> bool:
    """Tell whether points lie within ``reach`` of the chosen residues, or of any."""
    rows = np.ones(receptor.n_atoms, bool) if chosen is None else np.isin(receptor.atom_residue, sorted(chosen))
    xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return bool(rows.any() and len(xyz) and cKDTree(xyz).query(receptor.coordinates[rows])[0].min() < reach)


def _ligand_graph(
    coordinates: ArrayLike | None, elements: ArrayLike | None
) -> tuple[IntArray, list[FloatArray], FloatArray]:
    """Return a ligand's heavy-atom bonds (n, 2), rings and heavy atoms, found by distance."""
    if coordinates is None:
        return np.zeros((0, 2), dtype=np.int64), [], np.zeros((0, 3))
    points = np.asarray(coordinates, dtype=np.float64).reshape(-1, 3)
    if elements is not None:
        points = points[np.asarray(elements, dtype=str) != "H"]
    pairs = cKDTree(points).query_pairs(BONDED, output_type="ndarray") if len(points) > 1 else np.zeros((0, 2), int)
    rings = _small_rings(tuple(map(tuple, pairs.tolist())))
    return np.asarray(pairs, dtype=np.int64), [points[list(ring)] for ring in rings], points


@lru_cache(maxsize=64)
def _small_rings(bonds: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    """Return the rings of at most seven atoms, each in the order of its bonds."""
    graph = nx.Graph(bonds)
    return tuple(tuple(_in_order(graph, ring)) for ring in nx.minimum_cycle_basis(graph) if len(ring) <= 7)


def _in_order(graph: nx.Graph, ring: list[int]) -> list[int]:
    """Return the atoms of a ring in the order of its bonds."""
    inside = graph.subgraph(ring)
    order = [ring[0]]
    while len(order) < len(ring):
        following = sorted(set(inside[order[-1]]) - set(order))
        if not following:
            break
        order.append(following[0])
    return order


def residue_charge(receptor: Receptor, index: int) -> int:
    """Return the formal charge of a residue in e, read from its name and the hydrogens it has."""
    name = str(receptor.residue_names[index])
    rows = receptor.atom_indices(index)
    atoms = {str(a) for a in receptor.atom_names[rows]}
    if name in IONS:
        return IONS[name]
    if name in PHOSPHORYLATED:
        return -2
    if name == "HIS":
        return int({"HD1", "HE2"} <= atoms)
    if name in ("ASP", "GLU"):
        return 0 if atoms & {"HD2", "HE2"} else -1
    if name == "LYS":
        return int({"HZ1", "HZ2", "HZ3"} <= atoms)
    bridged = bool((receptor.disulfides == index).any())
    if name == "CYS":
        return 0 if bridged or "HG" in atoms else -1
    return int(name == "ARG")


def charge_change(before: Receptor, after: Receptor, residues: Iterable[int]) -> int:
    """Return the change of formal charge over some residues, e; residue indices of both receptors."""
    return sum(residue_charge(after, i) - residue_charge(before, i) for i in sorted(set(residues)))
