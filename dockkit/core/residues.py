"""Amino-acid facts: names, ideal geometry with hydrogens, chi angles and side-chain rotamers.

``templates`` holds the twenty amino acids, which alone a mutation may ask for; ``residue_templates`` adds what else a
receptor may hold: phosphorylated amino acids, water and metal ions.

Geometry: ``data/residues.json``, made by ``data/make_residues.py`` (RDKit, then the amber14 minimum), and
``data/modified.json``, made by ``data/make_modified.py`` (the same with phosaa14SB).
Rotamers: ``data/rotamers.json``, the penultimate rotamer library (Lovell, Word, Richardson & Richardson,
Proteins 2000, 40, 389-408).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dockkit.core.errors import StoreError
from dockkit.core.model import FloatArray, StrArray, frozen_array

_DATA: Final = Path(__file__).with_name("data")

BACKBONE: Final = frozenset({"N", "H", "CA", "HA", "HA2", "HA3", "C", "O"})
"""Atom names of the main chain as used here; CB is counted with the side chain."""

CAPS: Final = frozenset({"ACE", "NME"})
"""Names of the capping groups."""

PARENTS: Final = {
    "MSE": "MET", "SEP": "SER", "TPO": "THR", "PTR": "TYR", "CSO": "CYS", "CSD": "CYS", "CSX": "CYS", "CSS": "CYS",
    "CME": "CYS", "CAS": "CYS", "OCS": "CYS", "SNC": "CYS", "SCH": "CYS", "CYX": "CYS", "CYM": "CYS", "SEC": "CYS",
    "KCX": "LYS", "MLY": "LYS", "M3L": "LYS", "MLZ": "LYS", "ALY": "LYS", "LYN": "LYS", "HYP": "PRO", "NEP": "HIS",
    "HIC": "HIS", "HIP": "HIS", "HID": "HIS", "HIE": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "ASH": "ASP",
    "GLH": "GLU", "PHD": "ASP", "BFD": "ASP", "TYS": "TYR", "PCA": "GLU",
}  # fmt: skip
"""Modified residues, and force-field names of protonation states, to the amino acid they derive from."""


PHOSPHORYLATED: Final = frozenset({"SEP", "TPO", "PTR"})
"""Phosphorylated Ser, Thr and Tyr, kept as dianions."""

PHOSPHATE: Final = ("P", "O1P", "O2P", "O3P")
"""Atoms that a phosphorylated residue has beyond its parent."""

WATER: Final = "HOH"
"""Residue name of water, atoms O, H1, H2."""

METALS: Final = {"MG": 2, "MN": 2, "ZN": 2, "CA": 2, "NA": 1, "K": 1}
"""Metal ions that a receptor may hold, by residue name (the atom's name too): charge in e."""

IONS: Final = {**METALS, "CL": -1}
"""All ions that a receptor may hold: charge in e."""

WATER_BOND: Final = 0.9572
WATER_ANGLE: Final = 104.52
"""Angstrom and degrees."""


@dataclass(frozen=True, slots=True)
class Chi:
    """One side-chain dihedral.

    Parameters
    ----------
    atoms : tuple of four str
        The atoms that define it; the bond in the middle is turned.
    moves : tuple of str
        Atoms that turn with it (empty in the proline ring).
    """

    atoms: tuple[str, str, str, str]
    moves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResidueTemplate:
    """Ideal geometry of one amino acid inside a chain.

    Parameters
    ----------
    name, letter : str
        Three-letter and one-letter codes.
    atoms, elements : (n,) str
        Atom names as in OpenMM's amber14 files, and element symbols.
    coordinates : (n, 3) float
        Angstrom, C-alpha at the origin.
    bonds : tuple of pairs of str
        Bonds inside the residue.
    chis : tuple of Chi
        Side-chain dihedrals, chi1 first.
    optional : frozenset of str
        Hydrogens that depend on the protonation state.
    alternates : tuple of (n, 3) float
        Further ring puckers (proline).
    """

    name: str
    letter: str
    atoms: StrArray
    elements: StrArray
    coordinates: FloatArray
    bonds: tuple[tuple[str, str], ...]
    chis: tuple[Chi, ...]
    optional: frozenset[str]
    alternates: tuple[FloatArray, ...] = ()

    def index(self, name: str) -> int:
        """Return the row of an atom."""
        return int(np.flatnonzero(self.atoms == name)[0])

    def neighbours(self, name: str) -> tuple[str, ...]:
        """Return the atoms bonded to ``name`` inside the residue, in the order of the bonds."""
        return tuple(b if a == name else a for a, b in self.bonds if name in (a, b))

    @property
    def heavy(self) -> StrArray:
        """Names of the atoms that are not hydrogen, (n_heavy,) str."""
        return np.asarray(self.atoms[self.elements != "H"])


@dataclass(frozen=True, slots=True)
class RotamerSet:
    """The rotamers of one amino acid.

    Parameters
    ----------
    names : tuple of str
        The library's names, e.g. ``mt``.
    probabilities : (n,) float
        Observed fraction; sums to 1.
    chis, widths : (n, n_chi) float
        Common-atom chi angles and their half widths, degrees.
    """

    names: tuple[str, ...]
    probabilities: FloatArray
    chis: FloatArray
    widths: FloatArray


def _read(file: str) -> dict[str, Any]:
    path = _DATA / file
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: the residue library cannot be read ({error}); install dockkit again") from error
    return data


@cache
def templates() -> dict[str, ResidueTemplate]:
    """Return the twenty amino acids by three-letter name.

    Raises
    ------
    StoreError
        The installation lacks the data file.
    """
    return {name: _template(name, item) for name, item in _read("residues.json").items()}


def _template(name: str, item: dict[str, Any]) -> ResidueTemplate:
    return ResidueTemplate(
        name=name,
        letter=item["letter"],
        atoms=frozen_array(item["atoms"], str, (None,), name),
        elements=frozen_array(item["elements"], str, (None,), name),
        coordinates=frozen_array(item["coordinates"], np.float64, (None, 3), name),
        bonds=tuple((a, b) for a, b in item["bonds"]),
        chis=tuple(Chi(tuple(chi["atoms"]), tuple(chi["moves"])) for chi in item["chis"]),
        optional=frozenset(item["optional"]),
        alternates=tuple(frozen_array(xyz, np.float64, (None, 3), name) for xyz in item["alternates"]),
    )


def _small(name: str, atoms: list[str], elements: list[str], coordinates: list[list[float]]) -> ResidueTemplate:
    bonds = [[atoms[0], other] for other in atoms[1:]]
    return _template(
        name,
        {"letter": "X", "atoms": atoms, "elements": elements, "coordinates": coordinates, "bonds": bonds, "chis": [],
         "optional": [], "alternates": []},
    )  # fmt: skip


@cache
def residue_templates() -> dict[str, ResidueTemplate]:
    """Return every residue that a receptor may hold, caps aside, by name: the twenty, SEP, TPO, PTR, HOH, ions.

    Water is TIP3P's (0.9572 A, 104.52 degrees; Jorgensen et al., J. Chem. Phys. 1983, 79, 926). Water and ions have
    the letter X.

    Raises
    ------
    StoreError
        The installation lacks a data file.
    """
    modified = {name: _template(name, item) for name, item in _read("modified.json").items()}
    half = np.radians(WATER_ANGLE / 2)
    x, y = WATER_BOND * float(np.sin(half)), WATER_BOND * float(np.cos(half))
    water = _small(WATER, ["O", "H1", "H2"], ["O", "H", "H"], [[0.0, 0.0, 0.0], [x, y, 0.0], [-x, y, 0.0]])
    ions = {name: _small(name, [name], [name.capitalize()], [[0.0, 0.0, 0.0]]) for name in IONS}
    return {**templates(), **modified, WATER: water, **ions}


def is_polymer(names: StrArray) -> NDArray[np.bool_]:
    """Tell which residues belong to the chain, caps included, rather than being water or an ion.

    Parameters
    ----------
    names : (n,) str
        Residue names.

    Returns
    -------
    (n,) bool
    """
    return np.asarray(~np.isin(names, [WATER, *IONS]))


def amino_acids(names: StrArray) -> NDArray[np.bool_]:
    """Tell which residues are amino acids: neither cap, water nor ion; (n,) bool for (n,) names."""
    return np.asarray(is_polymer(names) & ~np.isin(names, sorted(CAPS)))


@cache
def rotamers(name: str) -> RotamerSet:
    """Return the rotamers of an amino acid or a phosphorylated one; one row without chi angles for Ala and Gly.

    Parameters
    ----------
    name : str
        Three-letter code.

    Raises
    ------
    StoreError
        The installation lacks the data file.
    """
    modified = _read("modified.json")
    rows = (
        modified[name]["rotamers"]
        if name in modified
        else _read("rotamers.json")["rotamers"].get(name, [["", 1, [], []]])
    )
    n_chi = len(rows[0][2])
    counts = np.array([row[1] for row in rows], dtype=np.float64)
    return RotamerSet(
        tuple(row[0] for row in rows),
        frozen_array(counts / counts.sum(), np.float64, (None,), name),
        frozen_array([row[2] for row in rows], np.float64, (len(rows), n_chi), name),
        frozen_array([row[3] for row in rows], np.float64, (len(rows), n_chi), name),
    )


def parent_name(name: str) -> str:
    """Return the amino acid a residue name stands for, or '' where it is none."""
    if name in templates():
        return name
    return PARENTS.get(name, "")


def one_letter(name: str) -> str:
    """Return the one-letter code of a residue or its parent; X where unknown."""
    parent = parent_name(name)
    return templates()[parent].letter if parent else "X"


@cache
def three_letter(letter: str) -> str:
    """Return the three-letter code of a one-letter code, or '' where there is none."""
    return next((item.name for item in templates().values() if item.letter == letter.upper()), "")
