"""What a hetero group is, drug or junk, and which of them sit in the pocket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from rdkit import Chem
from scipy.spatial import cKDTree

from dockkit.core.errors import LigandError
from dockkit.core.model import Change, FloatArray, HetGroup
from dockkit.ligand import codes
from dockkit.ligand.components import component, component_molecule, components
from dockkit.ligand.library import find_entry
from dockkit.ligand.perception import perceive

Category = Literal["drug", "nucleotide", "cofactor", "metal", "ion", "buffer", "glycan", "lipid", "peptide", "unknown"]
Site = Literal["atp", "back", "allosteric", "surface", "elsewhere"]

LIGANDS: Final = ("drug", "nucleotide", "cofactor", "lipid", "peptide", "unknown")
"""Categories that are reported as ligands of a site; the others are metals and what crystallisation left behind."""

CONTACT: Final = 4.5
"""Angstrom: heavy atoms this close touch."""

NEAR: Final = 6.0
"""Angstrom: a group farther from the chosen chain belongs to another one."""

BURIAL_RADIUS: Final = 8.0
BURIED_NEIGHBOURS: Final = 45
"""Protein heavy atoms within 8 A of a ligand atom: about 30 on the surface, 60 to 90 inside."""

BURIED_SHARE: Final = 0.5
IN_POCKET: Final = 0.35
"""Share of a ligand's atoms that touch pocket residues in the pocket."""

_MEDIUM: Final = 20
_SMALL_RING: Final = 8
_LONG_CHAIN: Final = 8

_PATTERNS: Final = {
    name: Chem.MolFromSmarts(smarts)
    for name, smarts in {
        "nucleotide": "O1C(COP)CCC1[#7;r5,r6]",
        "nucleobase": "O1C(C)CCC1n2cnc3c2ncnc3",
        "glycol": "[OX2][CH2][CH2][OX2][CH2][CH2][OX2]",
        "sulfonate": "[SX4](=O)(=O)([OX1,OX2H])[CX4]",
        "sugar": "[CX4]1([OX2,NX3])[CX4]([OX2,NX3])[CX4]([OX2,NX3])[CX4][OX2][CX4]1",
        "furanose": "[CX4]1([OX2])[CX4]([OX2])[CX4][OX2][CX4]1",
        "chain": "[#6;!R]" + "~[#6;!R;D1,D2]" * (_LONG_CHAIN - 1),
        "amide": "[NX3][CX4][CX3](=O)[NX3][CX4][CX3]=O",
    }.items()
}


@dataclass(frozen=True, slots=True)
class GroupClass:
    """What a group is and why.

    Parameters
    ----------
    category : Category
    reason : str
        The rule, such as ``cryoprotectant or buffer by its code`` or ``31 heavy atoms, 4 rings``.
    compound : str
        Name in the component dictionary, empty where unknown.
    """

    category: Category
    reason: str
    compound: str = ""

    @property
    def is_ligand(self) -> bool:
        """Whether it may be what the experiment is about."""
        return self.category in LIGANDS and self.category != "unknown"


@dataclass(frozen=True, slots=True)
class SiteLigand:
    """A group with its class and its place.

    Parameters
    ----------
    group : HetGroup
    what : GroupClass
    site : Site
        ``atp`` touches the hinge or fills the pocket; ``back`` lies in the pocket beside the hinge (type III: MEK);
        ``allosteric`` is buried elsewhere (myristate pocket); ``surface`` touches the chain; ``elsewhere`` does not.
    reason : str
        The numbers behind the site.
    """

    group: HetGroup
    what: GroupClass
    site: Site
    reason: str

    @property
    def change(self) -> Change:
        """Return what preparation may record of it: found, and taken for what."""
        kept = self.what.is_ligand
        compound = f" {self.what.compound}" if self.what.compound else ""
        return Change(
            kind="ligand" if kept else "removed",
            what=f"{self.what.category}{compound} in the {SITE_NAMES[self.site]}"
            if kept
            else f"{self.what.category}{compound} left out",
            why=f"{self.what.reason}; {self.reason}",
            residue_name=self.group.name,
            chain=self.group.chain,
            author_number=self.group.number,
            insertion_code=self.group.insertion_code,
        )


SITE_NAMES: Final[dict[str, str]] = {
    "atp": "ATP pocket",
    "back": "pocket beside the ATP site",
    "allosteric": "allosteric pocket",
    "surface": "surface",
    "elsewhere": "neighbourhood of another chain",
}


# --------------------------------------------------------------------------- class


def classify_groups(groups: Iterable[HetGroup]) -> tuple[GroupClass, ...]:
    """Return the class of each group; the component dictionary is read once for all."""
    pool = tuple(groups)
    components(group.name for group in pool if len(group.elements) > 1)
    return tuple(classify_group(group) for group in pool)


def classify_group(group: HetGroup) -> GroupClass:
    """Tell a drug from nucleotides, cofactors, metals, glycans, lipids and what crystallisation left behind.

    The code decides where it is listed in ``dockkit.ligand.codes`` or is a synonym of the ligand library and the atoms
    fit; else the dictionary's type, then the chemistry: size, rings, chains, sugars, phosphates.

    Parameters
    ----------
    group : HetGroup
        Heavy atoms.

    Returns
    -------
    GroupClass

    Raises
    ------
    LigandError
        The component dictionary cannot be read.
    """
    if len(group.elements) == 1:
        return _single(group)
    known = component(group.name)
    compound = known.name.lower() if known else ""
    if group.name in codes.UNKNOWN:
        return GroupClass("unknown", "the depositors did not identify it", compound)
    if known is not None and not _elements_fit(group, known.elements.tolist()):
        return _by_chemistry(group, None, "", f"{group.name} is another compound in the dictionary ({compound})")
    for category, pool, what in _LISTED:
        if group.name in pool:
            return GroupClass(category, f"{what} by its code", compound)
    if known is not None and (by_type := _by_type(known.kind)):
        return GroupClass(by_type, f"{known.kind} in the dictionary", compound)
    entry = find_entry(group.name)
    if entry is not None:
        category = "nucleotide" if entry.binding_type == "nucleotide" else "drug"
        return GroupClass(category, f"{entry.name} of the ligand library", compound)
    molecule = component_molecule(known) if known is not None else None
    return _by_chemistry(group, molecule, compound, "" if known else f"{group.name} is not in the dictionary")


_LISTED: Final[tuple[tuple[Category, frozenset[str], str], ...]] = (
    ("nucleotide", codes.NUCLEOTIDES, "nucleotide"),
    ("cofactor", codes.COFACTORS, "cofactor"),
    ("lipid", codes.LIPIDS, "lipid or detergent"),
    ("buffer", codes.BUFFERS, "cryoprotectant, precipitant, buffer or solvent"),
)


def _elements_fit(group: HetGroup, elements: list[str]) -> bool:
    """Tell whether a group can be (part of) what its code stands for: no element more often than there."""
    have = [str(element).capitalize() for element in group.elements]
    return all(have.count(element) <= elements.count(element) for element in set(have))


def _single(group: HetGroup) -> GroupClass:
    element = str(group.elements[0]).capitalize()
    if group.name in codes.UNKNOWN or element == "X":
        return GroupClass("unknown", "the depositors did not identify it")
    if element in ("F", "Cl", "Br", "I"):
        return GroupClass("ion", f"a single {element}")
    if element in ("H", "C", "N", "O", "S", "P", "Se", "He", "Ne", "Ar", "Kr", "Xe", "B", "Si"):
        return GroupClass("buffer", f"a single {element}")
    return GroupClass("metal", f"a single {element}")


def _by_type(kind: str) -> Category | None:
    if "saccharide" in kind:
        return "glycan"
    if "peptide" in kind:
        return "peptide"
    return "nucleotide" if "rna" in kind or "dna" in kind else None


def _by_chemistry(group: HetGroup, molecule: Chem.Mol | None, compound: str, prefix: str) -> GroupClass:
    """Classify by structure, from the dictionary or else perceived from the coordinates."""
    if molecule is None:
        try:
            molecule = perceive(group)
        except LigandError:
            return GroupClass("unknown", "; ".join(x for x in (prefix, "its bonds cannot be made out") if x), compound)
    category, reason = _rules(molecule)
    return GroupClass(category, "; ".join(x for x in (prefix, reason) if x), compound)


def _rules(molecule: Chem.Mol) -> tuple[Category, str]:
    """Return the category by chemistry alone."""
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    heavy, rings = len(symbols), molecule.GetRingInfo().NumRings()
    aromatic = any(atom.GetIsAromatic() for atom in molecule.GetAtoms())
    size = f"{heavy} heavy atoms, {rings} ring{'s' * (rings != 1)}"
    if "C" not in symbols:
        return "buffer", f"no carbon, {heavy} atoms"
    if _has(molecule, "nucleotide") or _has(molecule, "nucleobase"):
        return "nucleotide", "a nucleobase on ribose" + (" phosphate" if "P" in symbols else "")
    if _has(molecule, "chain") and not aromatic:
        return "lipid", f"chain of {_LONG_CHAIN} or more carbons, no aromatic ring"
    if not aromatic and (_has(molecule, "sugar") or _has(molecule, "furanose")) and symbols.count("N") <= rings:
        return "glycan", "sugar ring without an aromatic system"
    if _has(molecule, "amide") and not aromatic:
        return "peptide", "amino acids joined by amide bonds"
    if _has(molecule, "sulfonate") and not aromatic and heavy <= 20:
        return "buffer", f"aliphatic sulfonate like Good's buffers, {size}"
    if rings == 0 and (heavy <= _MEDIUM or _has(molecule, "glycol")):
        return "buffer", "polyether" if _has(molecule, "glycol") else f"small and without rings, {size}"
    if heavy < _SMALL_RING:
        return "buffer", f"too small for a ligand, {size}"
    return "drug", size


def _has(molecule: Chem.Mol, pattern: str) -> bool:
    return bool(molecule.HasSubstructMatch(_PATTERNS[pattern]))


# --------------------------------------------------------------------------- place


def site_ligands(
    groups: Sequence[HetGroup],
    pocket_coordinates: ArrayLike,
    hinge_coordinates: ArrayLike | None = None,
    protein_coordinates: ArrayLike | None = None,
) -> tuple[SiteLigand, ...]:
    """Return the ligands that touch the chain, the likeliest one first.

    A drug comes before a nucleotide, cofactor, lipid or peptide; within each the ATP pocket before the pocket beside
    it, allosteric pockets and the surface; then higher occupancy, more atoms, closer contact. Metals, ions, buffers and
    glycans are left out (see ``classify_groups``), as are groups of other chains.

    Parameters
    ----------
    groups : sequence of HetGroup
        Of one structure, with their distances to the chosen chain.
    pocket_coordinates : (n, 3) array_like
        Heavy atoms of the pocket residues (KLIFS' 85) of the chosen chain, Angstrom.
    hinge_coordinates : (h, 3) array_like, optional
        Heavy atoms of the hinge residues. Without them a ligand in the pocket counts as in the ATP site.
    protein_coordinates : (m, 3) array_like, optional
        All heavy atoms of the chain, to tell buried from exposed. Without them a group outside the pocket counts as on
        the surface.

    Returns
    -------
    tuple of SiteLigand
    """
    near = [group for group in groups if group.distance <= NEAR]
    trees = [None if x is None else _tree(x) for x in (pocket_coordinates, hinge_coordinates, protein_coordinates)]
    found = []
    for group, what in zip(near, classify_groups(near), strict=True):
        if what.is_ligand:
            site, reason = _site(group, *trees)
            found.append(SiteLigand(group, what, site, reason))
    return tuple(sorted(found, key=_rank))


_SITE_ORDER: Final = ("atp", "back", "allosteric", "surface", "elsewhere")


def _rank(ligand: SiteLigand) -> tuple[bool, int, int, float, int, float]:
    group = ligand.group
    return (
        ligand.site in ("surface", "elsewhere"),
        LIGANDS.index(ligand.what.category),
        _SITE_ORDER.index(ligand.site),
        -round(group.occupancy, 2),
        -len(group.elements),
        group.distance,
    )


def _tree(points: ArrayLike) -> cKDTree | None:
    array: FloatArray = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return cKDTree(array) if len(array) else None


def _site(group: HetGroup, pocket: cKDTree | None, hinge: cKDTree | None, protein: cKDTree | None) -> tuple[Site, str]:
    share = _touching(group, pocket)
    to_hinge = float(hinge.query(group.coordinates)[0].min()) if hinge else float("nan")
    numbers = f"{share:.0%} of its atoms touch the pocket"
    if hinge:
        numbers += f", {to_hinge:.1f} A from the hinge"
    if share >= IN_POCKET and (hinge is None or to_hinge <= CONTACT):
        return "atp", numbers
    if protein is not None:
        around = np.array([len(hit) for hit in protein.query_ball_point(group.coordinates, BURIAL_RADIUS)])
        buried = float((around >= BURIED_NEIGHBOURS).mean())
        numbers += f", {buried:.0%} buried"
        if buried >= BURIED_SHARE:
            return ("back" if share >= IN_POCKET else "allosteric"), numbers
    elif share >= IN_POCKET:
        return "back", numbers
    return ("surface" if group.distance <= CONTACT else "elsewhere"), numbers


def _touching(group: HetGroup, pocket: cKDTree | None) -> float:
    return float((pocket.query(group.coordinates)[0] <= CONTACT).mean()) if pocket else 0.0
