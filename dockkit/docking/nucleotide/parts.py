"""Atoms of ATP or ADP with its metals in a ligand record, under the names of PDB het code ATP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rdkit import Chem

from dockkit.core.errors import DockingError

NUCLEOSIDE: Final = Chem.MolFromSmarts("[NH2]c1ncnc2c1ncn2C3OC(C[OX2]P)C([OH])C3[OH]")
"""Adenosine with a phosphate; the atoms match ``NUCLEOSIDE_NAMES`` in order."""

NUCLEOSIDE_NAMES: Final = tuple(
    "N6 C6 N1 C2 N3 C4 C5 N7 C8 N9 C1' O4' C4' C5' O5' PA C3' O3' C2' O2'".split()  # noqa: SIM905
)

ADENINE: Final = ("N6", "C6", "N1", "C2", "N3", "C4", "C5", "N7", "C8", "N9")

RIBOSE: Final = ("C1'", "O4'", "C4'", "C5'", "C3'", "O3'", "C2'", "O2'")

GREEK: Final = ("alpha", "beta", "gamma")


@dataclass(frozen=True, slots=True)
class Nucleotide:
    """Atom indices of a nucleotide with its metals in the ligand record.

    Parameters
    ----------
    atoms : dict
        Name (as in PDB het code ATP) to index; of the non-bridging oxygens see ``phosphates``.
    phosphates : tuple of (n,) int
        Non-bridging oxygens of the alpha, beta (and gamma) phosphate.
    metals : tuple of int
    bonds : tuple of (int, int)
        Rotatable bonds, from the base outward.
    """

    atoms: dict[str, int]
    phosphates: tuple[tuple[int, ...], ...]
    metals: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]

    @property
    def phosphate_atoms(self) -> tuple[int, ...]:
        """Phosphorus, bridging and non-bridging oxygens, O5' included."""
        named = [i for name, i in self.atoms.items() if name.startswith("P") or name in ("O5'", "O3A", "O3B")]
        return tuple(sorted({*named, *(i for group in self.phosphates for i in group)}))


def find_nucleotide(mol: Chem.Mol, name: str) -> Nucleotide:
    """Recognise adenosine di- or triphosphate and its metals.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit.
    name : str
        For messages.

    Returns
    -------
    Nucleotide

    Raises
    ------
    DockingError
        No adenosine, fewer than two phosphates, or no metal or more than two.
    """
    matches = mol.GetSubstructMatches(NUCLEOSIDE)
    metals = tuple(a.GetIdx() for a in mol.GetAtoms() if a.GetSymbol() in ("Mg", "Mn") and a.GetDegree() == 0)
    if len(matches) != 1:
        raise DockingError(f"{name}: not an adenosine phosphate; only ATP and ADP are placed, dock other ligands")
    atoms = dict(zip(NUCLEOSIDE_NAMES, matches[0], strict=True))
    bonds = [(atoms[a], atoms[b]) for a, b in (("N9", "C1'"), ("C4'", "C5'"), ("C5'", "O5'"), ("O5'", "PA"))]
    phosphates: list[tuple[int, ...]] = []
    phosphorus, came_from = atoms["PA"], atoms["O5'"]
    while True:
        around = [a for a in mol.GetAtomWithIdx(phosphorus).GetNeighbors() if a.GetIdx() != came_from]
        phosphates.append(tuple(a.GetIdx() for a in around if a.GetSymbol() in "OS" and _heavy_degree(a) == 1))
        following = [
            (bridge.GetIdx(), b.GetIdx())
            for bridge in around
            if _heavy_degree(bridge) == 2
            for b in bridge.GetNeighbors()
            if b.GetSymbol() == "P" and b.GetIdx() != phosphorus
        ]
        if not following:
            break
        bridge, following_phosphorus = following[0]
        bonds += [(phosphorus, bridge), (bridge, following_phosphorus)]
        atoms[f"O3{'ABGDE'[len(phosphates) - 1]}"] = bridge
        came_from, phosphorus = bridge, following_phosphorus
        atoms[f"P{'ABGDE'[len(phosphates)]}"] = phosphorus
    if not 2 <= len(phosphates) <= 3 or not 1 <= len(metals) <= 2:
        raise DockingError(
            f"{name}: {len(phosphates)} phosphates and {len(metals)} metal ions; "
            "ATP or ADP with one or two Mg2+ is needed"
        )
    return Nucleotide(atoms, tuple(phosphates), metals, tuple(bonds))


def _heavy_degree(atom: Chem.Atom) -> int:
    return sum(neighbour.GetAtomicNum() > 1 for neighbour in atom.GetNeighbors())
