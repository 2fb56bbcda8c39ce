"""Waters and metal ions worth keeping: those that bridge ligand and protein, and those that the protein holds.

Distances: hydrogen bonds between N and O, 2.4 to 3.4 A (Baker & Hubbard, Prog. Biophys. Mol. Biol. 1984, 44, 97);
metal-donor distances from Harding, Acta Cryst. D 2006, 62, 678, with 0.5 A for what a crystal of 2-3 A leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from dockkit.core.model import Change, FloatArray, HetGroup, StrArray
from dockkit.core.residues import IONS, METALS, WATER
from dockkit.structure.hetero import CATIONS
from dockkit.structure.orient import turn_waters
from dockkit.structure.repair import WorkResidue

HYDROGEN_BOND: Final = (2.4, 3.4)
"""Distance between the heavy atoms of a hydrogen bond, Angstrom."""

MIN_OCCUPANCY: Final = 0.5
MAX_B_FACTOR: Final = 80.0
"""Angstrom^2; a water that blurs further is hardly there."""

CLASH: Final = {"C": 2.7, "S": 2.7, "P": 2.7}
"""Nearest that a water may come to atoms of these elements; 2.3 to others, Angstrom."""

CLASH_DEFAULT: Final = 2.3

COORDINATION: Final = {
    "MG": {"O": 2.6, "N": 2.7}, "MN": {"O": 2.7, "N": 2.8, "S": 3.0}, "ZN": {"O": 2.6, "N": 2.6, "S": 2.8},
    "CA": {"O": 2.9}, "NA": {"O": 2.9}, "K": {"O": 3.3},
}  # fmt: skip
"""Longest distance at which a donor element coordinates a metal, Angstrom."""

NEAREST_DONOR: Final = 1.6
"""A donor nearer than this is a clash, Angstrom."""

DONORS_NEEDED: Final = {"NA": 3, "K": 3}
"""Residues (or ligands) that must coordinate an ion for it to count as held; 2 for the divalent metals."""

CHLORIDE_REACH: Final = 3.6
CHLORIDE_DONORS: Final = 3
"""N-H donors within this distance, and how many of them make a chloride structural."""

NUCLEOTIDES: Final = frozenset(
    {"ATP", "ADP", "AMP", "ANP", "ACP", "APC", "AGS", "GTP", "GDP", "GNP", "GCP", "GSP", "ADX", "AN2", "A12", "SAP"}
)
"""Nucleotides and their stable analogues, whose phosphates bring Mg2+ or Mn2+ along."""

BUFFER_IONS: Final = frozenset(
    {"SO4", "PO4", "NO3", "PI", "IOD", "BR", "FLC", "CIT", "ACT", "FMT", "SCN", "NH4", "AZI"}
)
"""Ions of crystallisation buffers."""


# --------------------------------------------------------------------------- what stands around


@dataclass(frozen=True, slots=True)
class _Around:
    """Heavy atoms of the receptor and the ligand: labels, elements, coordinates, owner (residue index, -1 ligand)."""

    names: StrArray
    elements: StrArray
    xyz: FloatArray
    owner: np.ndarray
    residues: Sequence[WorkResidue]

    def label(self, row: int) -> str:
        if self.owner[row] < 0:
            return f"ligand {self.names[row]}"
        residue = self.residues[int(self.owner[row])]
        return f"{residue.name} {residue.chain}:{residue.number}{residue.icode} {self.names[row]}"


def _element(residue: WorkResidue, atom: str) -> str:
    return residue.name if residue.name in IONS else atom[0]


def _around(
    residues: Sequence[WorkResidue], ligand: FloatArray, elements: StrArray, ligand_names: Sequence[str] | None
) -> _Around:
    rows = [
        (atom, _element(residue, atom), xyz, index)
        for index, residue in enumerate(residues)
        for atom, xyz in residue.xyz.items()
        if not atom.startswith("H")
    ]
    names = [*elements] if ligand_names is None else [*ligand_names]
    rows += [
        (str(name), str(e).upper(), xyz, -1)
        for name, e, xyz in zip(names, elements, ligand, strict=True)
        if str(e).upper() not in ("H", "D")
    ]
    return _Around(
        np.array([r[0] for r in rows], dtype=str), np.array([r[1] for r in rows], dtype=str),
        np.array([r[2] for r in rows], dtype=np.float64).reshape(-1, 3), np.array([r[3] for r in rows], dtype=np.int64),
        residues,
    )  # fmt: skip


def _ligand(xyz: ArrayLike | None, elements: ArrayLike | None) -> tuple[FloatArray, StrArray]:
    points = np.zeros((0, 3)) if xyz is None else np.asarray(xyz, dtype=np.float64).reshape(-1, 3)
    if elements is None:
        return points, np.full(len(points), "C")
    return points, np.array([str(e) for e in np.asarray(elements).ravel()], dtype=str)


def _change(kind: str, group: HetGroup, what: str, why: str) -> Change:
    return Change(kind, what, why, group.name, group.chain, group.number, group.insertion_code)  # type: ignore[arg-type]


def _next_segment(residues: Sequence[WorkResidue]) -> int:
    return max((residue.segment for residue in residues), default=-1) + 1


# --------------------------------------------------------------------------- metals


def keep_metals(
    groups: Sequence[HetGroup], residues: Sequence[WorkResidue], ligand_coordinates: ArrayLike | None = None,
    ligand_elements: ArrayLike | None = None, *, keep_nucleotide_metals: bool = False, reach: float = 6.0,
) -> tuple[list[WorkResidue], list[Change]]:  # fmt: skip
    """Choose the ions that the protein, or protein and ligand together, hold.

    A divalent metal stays where at least two residues (or the ligand) give it a donor at a sane distance; Na and K
    where three do; a chloride where three N-H groups, one of Arg or Lys among them, surround it. A metal on the
    phosphates of a nucleotide is that nucleotide's own and goes with it.

    Parameters
    ----------
    groups : sequence of HetGroup
        All hetero groups of the file; anything but ions of one atom and buffer ions is passed over.
    residues : sequence of WorkResidue
        The protein.
    ligand_coordinates : (n, 3) float, optional
        Angstrom. Ions that are part of the ligand are passed over.
    ligand_elements : (n,) str, optional
    keep_nucleotide_metals : bool
        Keep a nucleotide's metal in the receptor where it is coordinated as above (its nucleotide being the ligand).
    reach : float
        Ions further than this from the protein (other chains, the lattice) are counted only, Angstrom.

    Returns
    -------
    kept : list of WorkResidue
        One atom each, author number as in the file, no UniProt number, each a segment of its own; nearest first.
    changes : list of Change
        One for each ion within reach: ``metal`` kept or a nucleotide's own, ``removed`` otherwise.
    """
    ligand, elements = _ligand(ligand_coordinates, ligand_elements)
    around = _around(residues, ligand, elements, None)
    tree = cKDTree(around.xyz)
    phosphates = [
        (group, group.coordinates[np.isin(group.elements, ["O", "S"])]) for group in groups if group.name in NUCLEOTIDES
    ]
    kept: list[WorkResidue] = []
    changes: list[Change] = []
    far: dict[str, int] = {}
    segment = _next_segment(residues)
    for group in groups:
        if not _is_ion(group) or _in_ligand(group, ligand):
            continue
        if group.distance > reach:
            far[group.name] = far.get(group.name, 0) + 1
            continue
        near = [int(row) for row in tree.query_ball_point(group.coordinates[0], 4.0)]
        keeps, what, why = _judge(group, around, sorted(near), phosphates, keep_nucleotide_metals)
        changes.append(_change("metal" if keeps or "belongs" in what else "removed", group, what, why))
        if keeps:
            name = str(group.elements[0]).upper()
            xyz = {name: np.array(group.coordinates[0], dtype=np.float64)}
            kept.append(WorkResidue(name, group.chain, group.insertion_code, group.number, 0, segment, xyz))
            segment += 1
    if far:
        listing = ", ".join(f"{count} {name}" for name, count in sorted(far.items()))
        changes.append(Change("removed", f"ions left out: {listing}", f"further than {reach:g} A from the chain"))
    return kept, changes


def _is_ion(group: HetGroup) -> bool:
    if len(group.elements) != 1:
        return group.name in BUFFER_IONS
    element = str(group.elements[0]).upper()
    return element in CATIONS or element in IONS or element in ("F", "BR", "I", "AL", "RB", "Y", "YB", "SM", "GD", "PT")


def _in_ligand(group: HetGroup, ligand: FloatArray) -> bool:
    if len(ligand) == 0:
        return False
    return bool((cKDTree(ligand).query(group.coordinates)[0] < 0.1).any())


def _judge(
    group: HetGroup, around: _Around, near: list[int], phosphates: list[tuple[HetGroup, FloatArray]],
    keep_nucleotide_metals: bool,
) -> tuple[bool, str, str]:  # fmt: skip
    """Return whether an ion stays, what is done, and why."""
    element, here = str(group.elements[0]).upper(), group.coordinates[0]
    if len(group.elements) > 1 or element in ("F", "BR", "I"):
        return False, "left out", "ion of the crystallisation buffer"
    if element not in IONS:
        return False, "left out", f"no parameters for {element} ions"
    if element == "CL":
        return _judge_chloride(here, around, near)
    if group.occupancy < MIN_OCCUPANCY:
        return False, "left out", f"occupancy {group.occupancy:.2f}"
    donors = _donors(element, here, around, near)
    text = ", ".join(f"{around.label(row)} {gap:.1f} A" for row, gap in donors)
    if any(gap < NEAREST_DONOR for _, gap in donors):
        return False, "left out", f"an atom stands in its place: {text}"
    own = _nucleotide_of(element, here, phosphates)
    if own is not None and not keep_nucleotide_metals:
        why = f"on its phosphates{'; ' + text if text else ''}"
        return False, f"belongs to {own.label}: goes with it, is not part of the receptor", why
    needed = DONORS_NEEDED.get(element, 2)
    partners = len({int(around.owner[row]) for row, _ in donors}) + (own is not None)
    if partners < needed:
        seen = text or "none"
        return False, "left out", f"held by fewer than {needed} groups (donors: {seen}): crystal contact or buffer"
    return True, f"kept as {element.capitalize()} ({METALS[element]:+d})", f"coordinated by {text}"


def _donors(element: str, here: FloatArray, around: _Around, near: list[int]) -> list[tuple[int, float]]:
    """Return rows of the atoms that coordinate a metal, and their distances, nearest first."""
    limits = COORDINATION[element]
    found = []
    for row in near:
        gap = float(np.linalg.norm(around.xyz[row] - here))
        donor = str(around.elements[row])
        if gap < NEAREST_DONOR or (gap <= limits.get(donor, 0.0) and _gives(around, row)):
            found.append((row, gap))
    return sorted(found, key=lambda item: (round(item[1], 4), item[0]))


def _gives(around: _Around, row: int) -> bool:
    """Tell whether an atom has a lone pair for a metal: any O or S, ring N of His, N of a ligand."""
    owner = int(around.owner[row])
    if str(around.elements[row]) != "N" or owner < 0:
        return True
    return around.residues[owner].name == "HIS" and str(around.names[row]) in ("ND1", "NE2")


def _nucleotide_of(element: str, here: FloatArray, phosphates: list[tuple[HetGroup, FloatArray]]) -> HetGroup | None:
    if element not in ("MG", "MN", "CA"):
        return None
    limit = COORDINATION[element]["O"]
    near = [
        (gap, k)
        for k, (_, oxygens) in enumerate(phosphates)
        if (gap := float(np.linalg.norm(oxygens - here, axis=1).min(initial=np.inf))) <= limit
    ]
    return phosphates[min(near)[1]][0] if near else None


def _judge_chloride(here: FloatArray, around: _Around, near: list[int]) -> tuple[bool, str, str]:
    gaps = {row: float(np.linalg.norm(around.xyz[row] - here)) for row in near}
    donors = [
        row
        for row in sorted(gaps, key=lambda r: (round(gaps[r], 4), r))
        if gaps[row] <= CHLORIDE_REACH and around.elements[row] == "N" and around.owner[row] >= 0
    ]
    cations = [
        r for r in donors if around.residues[int(around.owner[r])].name in ("ARG", "LYS") and around.names[r] != "N"
    ]
    groups = {int(around.owner[row]) for row in donors}
    text = ", ".join(f"{around.label(row)} {gaps[row]:.1f} A" for row in donors)
    if len(groups) >= CHLORIDE_DONORS and cations:
        return True, "kept as Cl (-1)", f"surrounded by {text}"
    return False, "left out", "ion of the crystallisation buffer" + (f" (near {text})" if text else "")


# --------------------------------------------------------------------------- waters


def keep_waters(
    waters: Sequence[HetGroup], residues: Sequence[WorkResidue], ligand_coordinates: ArrayLike | None,
    ligand_elements: ArrayLike | None, *, ligand_names: Sequence[str] | None = None,
    min_occupancy: float = MIN_OCCUPANCY, max_b_factor: float = MAX_B_FACTOR,
) -> tuple[list[WorkResidue], list[Change]]:  # fmt: skip
    """Choose the waters that bridge ligand and protein or coordinate a kept metal, and place their hydrogens.

    Parameters
    ----------
    waters : sequence of HetGroup
        One oxygen each.
    residues : sequence of WorkResidue
        The protein with its hydrogens, and the metals kept.
    ligand_coordinates : (n, 3) float or None
        Angstrom; without a ligand only the waters of metals stay.
    ligand_elements : (n,) str or None
        Hydrogens, where given, tell donors from acceptors.
    ligand_names : sequence of str, optional
        Atom names for the record; elements by default.
    min_occupancy : float
    max_b_factor : float
        Angstrom^2.

    Returns
    -------
    kept : list of WorkResidue
        ``HOH`` with O, H1, H2 (TIP3P geometry) turned to its best hydrogen bonds; author number as in the file, no
        UniProt number, each a segment of its own; in the order of the input.
    changes : list of Change
        One for each kept water with its partners, and one that counts the rest by reason.
    """
    ligand, elements = _ligand(ligand_coordinates, ligand_elements)
    around = _around(residues, ligand, elements, ligand_names)
    tree = cKDTree(around.xyz)
    chosen: list[tuple[HetGroup, str]] = []
    reasons: dict[str, int] = {}
    for water in waters:
        reason, partners = _reason(water, around, tree, min_occupancy, max_b_factor)
        if not reason and any(
            np.linalg.norm(w.coordinates[0] - water.coordinates[0]) < CLASH_DEFAULT for w, _ in chosen
        ):
            reason = "in the place of another"
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            chosen.append((water, partners))
    segment = _next_segment(residues)
    kept = [
        WorkResidue(WATER, w.chain, w.insertion_code, w.number, 0, segment + k, {"O": np.array(w.coordinates[0])})
        for k, (w, _) in enumerate(chosen)
    ]
    turn_waters(kept, residues, ligand, elements)
    changes = [
        _change("water", w, f"kept: {partners}", f"occupancy {w.occupancy:.2f}, B {w.b_factor:.0f}")
        for w, partners in chosen
    ]
    if reasons:
        listing = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        changes.append(Change("water", f"{sum(reasons.values())} waters left out", listing))
    return kept, changes


def _reason(
    water: HetGroup, around: _Around, tree: cKDTree, min_occupancy: float, max_b_factor: float
) -> tuple[str, str]:
    """Return why a water is left out ('' where it stays) and the partners that it is kept for."""
    here = water.coordinates[0]
    near = sorted(int(row) for row in tree.query_ball_point(here, HYDROGEN_BOND[1]))
    gaps = {row: float(np.linalg.norm(around.xyz[row] - here)) for row in near}
    metals = [r for r in near if gaps[r] <= COORDINATION.get(str(around.elements[r]), {}).get("O", 0.0)]
    polar = [r for r in near if around.elements[r] in ("N", "O") and gaps[r] >= HYDROGEN_BOND[0]]
    bound = [r for r in polar if around.owner[r] < 0]
    protein = [r for r in polar if around.owner[r] >= 0 and not _is_proline_nitrogen(around, r)]
    if not metals and not (bound and protein):
        return "not between ligand and protein", ""
    if water.occupancy < min_occupancy:
        return f"of occupancy below {min_occupancy:g}", ""
    if water.b_factor > max_b_factor:
        return f"of B above {max_b_factor:g}", ""
    if any(gap < CLASH.get(str(around.elements[r]), CLASH_DEFAULT) for r, gap in gaps.items() if r not in metals):
        return "too close to another atom", ""

    def listing(rows: list[int]) -> str:
        ordered = sorted(rows, key=lambda r: (round(gaps[r], 4), r))
        return ", ".join(f"{around.label(r)} {gaps[r]:.1f} A" for r in ordered)

    parts = []
    if metals:
        parts.append(f"coordinates {listing(metals)}")
    if bound and protein:
        parts.append(f"bridges {listing(bound)} and {listing(protein)}")
    return "", "; ".join(parts)


def _is_proline_nitrogen(around: _Around, row: int) -> bool:
    return str(around.names[row]) == "N" and around.residues[int(around.owner[row])].name == "PRO"
