"""What a structure file holds beside the protein, and what preparation did to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dockkit.core.model.base import FloatArray, StrArray

ChangeKind = Literal[
    "chain",  # chain, model or biological unit chosen
    "altloc",  # alternate location chosen
    "duplicate",  # atoms or residues given twice
    "modified",  # modified residue kept, or read as its parent
    "engineered",  # differs from the UniProt sequence
    "tag",  # expression tag, linker or fusion partner: no UniProt number
    "atoms",  # missing heavy atoms built
    "loop",  # missing residues built
    "break",  # missing residues not built, ends capped
    "disulfide",
    "metal",
    "water",
    "protonation",
    "flip",  # Asn, Gln or His turned by 180 degrees
    "ligand",  # bound group kept, with its state
    "covalent",  # bond between a group and the protein
    "removed",  # group left out
    "model",  # coordinates that are a model, not an observation
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that reading or preparation chose, built, moved, removed or found.

    Parameters
    ----------
    kind : ChangeKind
    what : str
        What was done, without the residue's name: ``side chain built: CG CD1 CD2``.
    why : str
        The rule or the numbers behind it: ``pKa 8.1 (PROPKA) above pH 7.4``; empty where ``what`` says all.
    residue_name : str
        As deposited; empty where the change concerns the whole chain or file.
    chain : str
        Author chain.
    author_number : int
        As deposited; 0 with an empty ``residue_name``.
    insertion_code : str
    uniprot_number : int
        0 where the residue has none.
    """

    kind: ChangeKind
    what: str
    why: str = ""
    residue_name: str = ""
    chain: str = ""
    author_number: int = 0
    insertion_code: str = ""
    uniprot_number: int = 0

    @property
    def label(self) -> str:
        """Such as ``HIS A:361``; empty for a change of the whole chain."""
        where = f"{self.chain}:" if self.chain else ""
        return f"{self.residue_name} {where}{self.author_number}{self.insertion_code}" if self.residue_name else ""

    @property
    def sentence(self) -> str:
        """One line: residue, what, why."""
        head = f"{self.label}: " if self.residue_name else ""
        return head + self.what + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True)
class HetGroup:
    """A ligand, ion, water or other group that is not part of a protein chain, as found in the file.

    Parameters
    ----------
    name, chain, insertion_code : str
        Het code, author chain, insertion code.
    number : int
        Author residue number.
    atom_names, elements : (n,) str
        Heavy atoms.
    coordinates : (n, 3) float
        Angstrom.
    distance : float
        Shortest distance to the chosen protein chain, Angstrom.
    occupancy, b_factor : float
        Means over the atoms; B in Angstrom^2.
    """

    name: str
    chain: str
    number: int
    insertion_code: str
    atom_names: StrArray
    elements: StrArray
    coordinates: FloatArray
    distance: float
    occupancy: float = 1.0
    b_factor: float = 0.0

    @property
    def label(self) -> str:
        """Such as ``STI A:201``."""
        where = f"{self.chain}:" if self.chain else ""
        return f"{self.name} {where}{self.number}{self.insertion_code}"


@dataclass(frozen=True, slots=True)
class Link:
    """A bond that the file states between two residues (LINK of a PDB file, ``_struct_conn`` of mmCIF).

    Parameters
    ----------
    kind : {"covalent", "metal", "disulfide", "unknown"}
    residue_name, chain, insertion_code, atom_name : str
        The end in the chosen chain (the first where both are).
    number : int
        Its author number.
    partner_name, partner_chain, partner_insertion_code, partner_atom : str
    partner_number : int
        The other end.
    """

    kind: Literal["covalent", "metal", "disulfide", "unknown"]
    residue_name: str
    chain: str
    number: int
    insertion_code: str
    atom_name: str
    partner_name: str
    partner_chain: str
    partner_number: int
    partner_insertion_code: str
    partner_atom: str

    @property
    def label(self) -> str:
        """Such as ``CYS A:797 SG - 1E8 A:1001 C16``."""
        here = f"{self.residue_name} {self.chain}:{self.number}{self.insertion_code} {self.atom_name}"
        there = f"{self.partner_name} {self.partner_chain}:{self.partner_number}{self.partner_insertion_code}"
        return f"{here} - {there} {self.partner_atom}"
