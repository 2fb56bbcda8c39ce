"""Make room: small moves of a built side chain and of what it runs into, bond lengths and angles kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, IntArray, Receptor, StrArray
from dockkit.core.residues import WATER, amino_acids, residue_templates
from dockkit.core.rings import RINGS
from dockkit.mutation.contacts import HYDROGEN_BOND_CONTACT, Sites, join, ligand_sites, outward_axes, protein_sites

CONTACT: Final = 0.92
"""Atoms nearer than this fraction of their best distance are pushed apart."""

CLASH: Final = 0.82
"""Room is made only where a built atom is nearer than this fraction (2.4 A for hydrogen bonds)."""

CLASH_POLAR: Final = 2.4
LOCAL: Final = 0.88
"""Atoms four bonds apart may come nearer than others by this factor."""

REACH: Final = 4.5
"""Residues with a side-chain atom within this distance of a built side chain may give way, Angstrom."""

KEPT: Final = 10.0
"""Atoms within this distance of a built side chain are looked at, Angstrom."""

STIFFNESS: Final = 100.0
"""Of bonds, angles and planes, as springs between atoms one and two bonds apart, kcal/mol/A^2 (energy k x^2)."""

PUSH: Final = 10.0
TWIST: Final = 10.0
"""Of torsions of side chains, as springs between atoms three bonds apart, kcal/mol/A^2."""

TETHERS: Final = (5.0, 0.5, 0.3)
"""Repulsion; what holds the main chain, side chains of neighbours and the built side chain, kcal/mol/A^2."""

STEPS: Final = 80
SPREAD: Final = {"ARG": ("CD", "NE", "CZ", "NH1", "NH2"), "ASN": ("CB", "CG", "OD1", "ND2"),
                 "GLN": ("CG", "CD", "OE1", "NE2"), "ASP": ("CB", "CG", "OD1", "OD2"),
                 "GLU": ("CG", "CD", "OE1", "OE2")}  # fmt: skip
"""Flat groups without a ring."""


@dataclass(frozen=True, slots=True)
class Relieved:
    """A receptor in which room was made.

    Parameters
    ----------
    receptor : Receptor
    moved : dict of int to float
        Largest move of a heavy atom of each residue that moved by 0.05 A or more, Angstrom.
    strain : float
        What is left of springs, tethers and repulsion, kcal/mol.
    """

    receptor: Receptor
    moved: dict[int, float]
    strain: float


def relieve(receptor: Receptor, built: list[int], ligand_xyz: FloatArray, ligand_elements: StrArray) -> Relieved:
    """Move a built side chain and its neighbours apart where they clash.

    Bonds, angles, rings and peptide planes are kept by springs, torsions by weaker ones, everything is tethered to
    where it is, and only contacts with built side chains repel. What does not clash stays exactly where it is.

    Parameters
    ----------
    receptor : Receptor
        With the side chains built.
    built : list of int
        Residue indices of the built side chains.
    ligand_xyz, ligand_elements : (n, 3) float, (n,) str
        Does not move.

    Returns
    -------
    Relieved
    """
    if not built:
        return Relieved(receptor, {}, 0.0)
    patch = _Patch(receptor, built, ligand_xyz, ligand_elements)
    if not patch.clashes():
        return Relieved(receptor, {}, 0.0)
    result = minimize(
        patch.energy, patch.start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 20}
    )
    points = result.x.reshape(-1, 3)
    steps = np.linalg.norm(points - patch.start, axis=1)
    owners = receptor.atom_residue[patch.rows[patch.mobile]]
    moved = {int(i): float(steps[owners == i].max()) for i in np.unique(owners)}
    moved = {i: step for i, step in moved.items() if step >= 0.05}
    coordinates = np.array(receptor.coordinates)
    shifted = np.isin(owners, sorted(moved))
    coordinates[patch.rows[patch.mobile][shifted]] = points[shifted]
    _carry_hydrogens(receptor, coordinates, sorted(moved))
    return Relieved(dataclasses.replace(receptor, coordinates=coordinates), moved, float(result.fun))


class _Patch:
    """The heavy atoms near built side chains, what binds them and what pushes them."""

    def __init__(self, receptor: Receptor, built: list[int], ligand_xyz: FloatArray, ligand: StrArray) -> None:
        dry = (receptor.residue_names != WATER)[receptor.atom_residue]
        heavy = np.flatnonzero((receptor.elements != "H") & dry)
        owner = receptor.atom_residue[heavy]
        main = np.isin(receptor.atom_names[heavy], ("N", "CA", "C", "O"))
        new = np.isin(owner, built) & ~main
        gaps = cKDTree(receptor.coordinates[heavy[new]]).query(receptor.coordinates[heavy])[0]
        kept = np.isin(owner, np.unique(owner[gaps < KEPT]))
        self.rows, owner, main, new, gaps = heavy[kept], owner[kept], main[kept], new[kept], gaps[kept]
        chain = amino_acids(receptor.residue_names)
        giving = np.union1d(owner[(gaps < REACH) & ~main], built)
        self.mobile = np.isin(owner, giving) & chain[owner]
        self.start: FloatArray = np.array(receptor.coordinates[self.rows[self.mobile]])
        drawn = ligand != "H"
        self.fixed = np.concatenate([receptor.coordinates[self.rows], ligand_xyz[drawn]])
        self.new = np.concatenate([new, np.zeros(int(drawn.sum()), dtype=bool)])
        sites = protein_sites(
            receptor.residue_names[owner], receptor.atom_names[self.rows], receptor.elements[self.rows]
        )
        self.sites = join(sites, ligand_sites(ligand[drawn], outward_axes(ligand_xyz[drawn])[1]))
        bonds, flat = _bonds(receptor, self.rows, owner)
        n = len(self.fixed)
        near = np.zeros((n, n), dtype=bool)
        near[bonds[:, 0], bonds[:, 1]] = near[bonds[:, 1], bonds[:, 0]] = True
        two = near.astype(np.float32) @ near.astype(np.float32) > 0
        three = two.astype(np.float32) @ near.astype(np.float32) > 0
        stiff = near | two
        stiff[flat[:, 0], flat[:, 1]] = True
        moves = np.concatenate([self.mobile, np.zeros(int(drawn.sum()), dtype=bool)])
        either = moves[:, None] | moves[None]
        stiff |= stiff.T
        side = np.zeros(n, dtype=bool)
        side[: len(owner)] = ~main
        same = np.zeros((n, n), dtype=bool)
        same[: len(owner), : len(owner)] = owner[:, None] == owner[None]
        twist = three & ~stiff & same & (side[:, None] | side[None])
        first, second = np.nonzero(np.triu((stiff | twist) & either, 1))
        self.springs = np.stack([first, second], axis=1)
        self.strengths = np.where(stiff[first, second], STIFFNESS, TWIST)
        self.lengths = np.linalg.norm(self.fixed[first] - self.fixed[second], axis=1)
        four = three.astype(np.float32) @ near.astype(np.float32) > 0
        self._contacts(near | two | three, four, either)
        self.tether = np.where(main, TETHERS[0], np.where(new, TETHERS[2], TETHERS[1]))[self.mobile]

    def _contacts(self, bonded: NDArray[np.bool_], local: NDArray[np.bool_], either: NDArray[np.bool_]) -> None:
        """Collect the pairs of a built atom and another, not bonded, that are or may come near."""
        pairs = cKDTree(self.fixed).query_pairs(6.0, output_type="ndarray")
        a, b = pairs[:, 0], pairs[:, 1]
        wanted = (self.new[a] | self.new[b]) & ~bonded[a, b] & either[a, b]
        self.pairs = pairs[wanted]
        self.limits, self.clash_limits = _limits(self.sites, self.pairs)
        closer = np.where(local[self.pairs[:, 0], self.pairs[:, 1]], LOCAL, 1.0)
        self.limits, self.clash_limits = self.limits * closer, self.clash_limits * closer

    def clashes(self) -> bool:
        """Tell whether any pair is too near to leave as it is."""
        gap = np.linalg.norm(self.fixed[self.pairs[:, 0]] - self.fixed[self.pairs[:, 1]], axis=1)
        return bool((gap < self.clash_limits).any())

    def energy(self, flat: FloatArray) -> tuple[float, FloatArray]:
        """Return energy and gradient of the mobile coordinates."""
        points = self.fixed.copy()
        points[: len(self.rows)][self.mobile] = flat.reshape(-1, 3)
        gradient = np.zeros_like(points)
        total = 0.0
        for pairs, lengths, k, push in (
            (self.springs, self.lengths, self.strengths, False), (self.pairs, self.limits, PUSH, True),
        ):  # fmt: skip
            arrow = points[pairs[:, 0]] - points[pairs[:, 1]]
            gap = np.maximum(np.linalg.norm(arrow, axis=1), 1e-3)
            off = np.minimum(gap - lengths, 0.0) if push else gap - lengths
            total += float((k * off**2).sum())
            force = (2.0 * k * off / gap)[:, None] * arrow
            for axis in range(3):
                gradient[:, axis] += np.bincount(pairs[:, 0], force[:, axis], len(points))
                gradient[:, axis] -= np.bincount(pairs[:, 1], force[:, axis], len(points))
        away = flat.reshape(-1, 3) - self.start
        total += float((self.tether[:, None] * away**2).sum())
        own = gradient[: len(self.rows)][self.mobile] + 2.0 * self.tether[:, None] * away
        return total, own.ravel()


def _limits(sites: Sites, pairs: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the distances below which pairs repel and below which they clash, Angstrom."""
    a, b = pairs[:, 0], pairs[:, 1]
    size = sites.radii[a] + sites.radii[b]
    bond = sites.donors[a] & sites.acceptors[b] | sites.acceptors[a] & sites.donors[b]
    return np.where(bond, HYDROGEN_BOND_CONTACT, CONTACT * size), np.where(bond, CLASH_POLAR, CLASH * size)


def _bonds(receptor: Receptor, rows: IntArray, owner: IntArray) -> tuple[IntArray, IntArray]:
    """Return the bonds among atoms ``rows`` and the pairs that lie in one ring or plane, as places in ``rows``."""
    place = {(int(r), str(receptor.atom_names[i])): k for k, (r, i) in enumerate(zip(owner, rows, strict=True))}
    bonds: list[tuple[int, int]] = []
    flat: list[tuple[int, int]] = []
    for residue in np.unique(owner).tolist():
        name = str(receptor.residue_names[residue])
        template = residue_templates().get(name)
        inside = [] if template is None else list(template.bonds)
        if template is None:
            inside = [("C", "O"), ("C", "CH3"), ("N", "C")]
        bonds += [
            (place[residue, a], place[residue, b]) for a, b in inside if {(residue, a), (residue, b)} <= place.keys()
        ]
        groups = [(*ring, "CB", "OH") if "CG" in ring and name != "PRO" else ring for ring in RINGS.get(name, ())]
        groups += [SPREAD[name]] if name in SPREAD else []
        here = [[place[residue, a] for a in group if (residue, a) in place] for group in groups]
        after = residue + 1
        if (after, "N") in place and receptor.segments[after] == receptor.segments[residue] and (residue, "C") in place:
            bonds.append((place[residue, "C"], place[after, "N"]))
            plane = [(residue, "CA"), (residue, "C"), (residue, "O"), (after, "N"), (after, "CA")]
            here.append([place[key] for key in plane if key in place])
        flat += [(a, b) for group in here for i, a in enumerate(group) for b in group[i + 1 :]]
    for a, b in receptor.disulfides.tolist():
        if (a, "SG") in place and (b, "SG") in place:
            bonds.append((place[a, "SG"], place[b, "SG"]))
    return np.array(bonds, dtype=np.int64).reshape(-1, 2), np.array(flat, dtype=np.int64).reshape(-1, 2)


def _carry_hydrogens(receptor: Receptor, coordinates: FloatArray, residues: list[int]) -> None:
    """Move hydrogens with the heavy atoms that they hang on. In place."""
    for residue in residues:
        rows = receptor.atom_indices(residue)
        template = residue_templates()[str(receptor.residue_names[residue])]
        place = {str(receptor.atom_names[i]): int(i) for i in rows}
        for name in [n for n in place if receptor.elements[place[n]] == "H"]:
            parent = template.neighbours(name)[0]
            anchors = [parent, *(n for n in template.neighbours(parent) if n in place and not n.startswith("H"))]
            if len(anchors) == 2:
                anchors += [n for n in template.neighbours(anchors[1]) if n in place and n not in anchors][:2]
            at = [place[n] for n in anchors]
            weights = np.array([10.0, 5.0, *[1.0] * (len(at) - 2)])[: len(at)]
            rotation, shift = superposition(receptor.coordinates[at], coordinates[at], weights)
            coordinates[place[name]] = receptor.coordinates[place[name]] @ rotation + shift
