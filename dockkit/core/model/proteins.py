"""Kinases, conformations, receptors and the library's structures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model.base import DfgState, FloatArray, HelixState, IntArray, Numbering, StrArray, freeze
from dockkit.core.model.preparation import Change


@dataclass(frozen=True, slots=True)
class Kinase:
    """What is known of one kinase domain, all residue numbers in UniProt numbering.

    Parameters
    ----------
    gene, uniprot, name : str
        HGNC symbol, UniProt accession, plain name.
    sequence : str
        Canonical UniProt sequence, one-letter codes, whole protein; residue ``i`` is ``sequence[i - 1]``.
    domain : tuple of int
        First and last residue of the kinase domain.
    gatekeeper, catalytic_lysine, alpha_c_glutamate, hinge_middle, hrd_aspartate, dfg_aspartate : int
        Landmarks; ``hinge_middle`` is gatekeeper + 3. 0 where the kinase has no such residue.
    pocket : tuple of int
        The 85 KLIFS pocket positions, 0 for a gap.
    """

    gene: str
    uniprot: str
    name: str
    sequence: str
    domain: tuple[int, int]
    gatekeeper: int
    catalytic_lysine: int
    alpha_c_glutamate: int
    hinge_middle: int
    hrd_aspartate: int
    dfg_aspartate: int
    pocket: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conformation:
    """The conformational state of a kinase domain and the measures it was read from.

    Parameters
    ----------
    dfg, alpha_c : str
        DFG motif and alpha-C helix.
    salt_bridge : {"formed", "broken", "unknown"}
        Between the catalytic Lys and the alpha-C Glu.
    spine : {"assembled", "broken", "unknown"}
        Regulatory spine.
    spine_residues : tuple of int
        UniProt numbers of its four residues: HRD His, DFG Phe, alpha-C, beta-4; 0 where the kinase has none.
    activation_loop : {"ordered", "disordered", "unknown"}
        Whether every residue from the DFG Asp to the APE Glu is there.
    activation_loop_missing : int
        Number of those that are not.
    measures : tuple of (str, float)
        Distances, Angstrom.
    angles : tuple of (str, float)
        Dihedral angles, degrees.
    """

    dfg: DfgState = "unknown"
    alpha_c: HelixState = "unknown"
    measures: tuple[tuple[str, float], ...] = ()
    salt_bridge: Literal["formed", "broken", "unknown"] = "unknown"
    spine: Literal["assembled", "broken", "unknown"] = "unknown"
    spine_residues: tuple[int, ...] = ()
    activation_loop: Literal["ordered", "disordered", "unknown"] = "unknown"
    activation_loop_missing: int = 0
    angles: tuple[tuple[str, float], ...] = ()


NO_AMINO_ACIDS = ("ACE", "NME", "HOH", "MG", "MN", "ZN", "CA", "NA", "K", "CL")
"""Residue names of a receptor that no residue number means: caps, water and ions."""


@dataclass(frozen=True, slots=True)
class Receptor:
    """A protein, ready for modelling: every hydrogen present, termini and breaks capped.

    Beside amino acids and caps it may hold phosphorylated Ser, Thr and Tyr (SEP, TPO, PTR) and, after the protein,
    waters (HOH) and ions, each a segment of its own without UniProt number.

    Parameters
    ----------
    name : str
        Short label such as ``abl1-1iep``.
    kinase : str
        Gene symbol, empty where unknown.
    uniprot : str
        UniProt accession, empty where unknown.
    source : str
        PDB id, file name or "model".
    modelled : bool
        True where part of the conformation was modelled rather than seen in a crystal.
    atom_names, elements : (n_atoms,) str
        PDB atom names and element symbols.
    atom_residue : (n_atoms,) int
        Index of each atom's residue in the residue arrays; atoms of a residue are contiguous, in order.
    coordinates : (n_atoms, 3) float
        Angstrom.
    residue_names : (n_residues,) str
        Three-letter names (HIS for all tautomers; caps are ACE and NME).
    chain_ids, insertion_codes : (n_residues,) str
        As in the source file; '' where there is no insertion code.
    author_numbers : (n_residues,) int
        Residue numbers as in the source file.
    uniprot_numbers : (n_residues,) int
        UniProt numbers; 0 where the residue has none (caps, tags, water, ions, unknown protein).
    segments : (n_residues,) int
        Residues of one segment are joined by peptide bonds; the number rises at every break, and with every water and
        ion.
    disulfides : (n_bonds, 2) int
        Residue indices of disulfide partners.
    conformation : Conformation
        DFG and alpha-C state.
    notes : tuple of str
        What preparation changed, one sentence each.
    changes : tuple of Change
        The same residue by residue.
    """

    name: str
    kinase: str
    uniprot: str
    source: str
    modelled: bool
    atom_names: StrArray
    elements: StrArray
    atom_residue: IntArray
    coordinates: FloatArray
    residue_names: StrArray
    chain_ids: StrArray
    insertion_codes: StrArray
    author_numbers: IntArray
    uniprot_numbers: IntArray
    segments: IntArray
    disulfides: IntArray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    conformation: Conformation = Conformation()
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n_atoms, n_residues = len(self.atom_names), len(self.residue_names)
        try:
            for name in ("atom_names", "elements"):
                freeze(self, name, str, (n_atoms,))
            freeze(self, "atom_residue", np.int64, (n_atoms,))
            freeze(self, "coordinates", np.float64, (n_atoms, 3))
            for name in ("residue_names", "chain_ids", "insertion_codes"):
                freeze(self, name, str, (n_residues,))
            for name in ("author_numbers", "uniprot_numbers", "segments"):
                freeze(self, name, np.int64, (n_residues,))
            freeze(self, "disulfides", np.int64, (None, 2))
        except ValueError as error:
            raise StructureError(f"{self.name}: {error}") from error
        steps = np.diff(self.atom_residue)
        if n_atoms and (
            self.atom_residue[0] != 0 or self.atom_residue[-1] != n_residues - 1 or not np.isin(steps, (0, 1)).all()
        ):
            raise StructureError(f"{self.name}: atoms are not grouped by residue")
        if not np.isfinite(self.coordinates).all():
            raise StructureError(f"{self.name}: coordinates are not finite")

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atom_names)

    @property
    def n_residues(self) -> int:
        """Number of residues; caps, waters and ions included."""
        return len(self.residue_names)

    def residue_index(self, number: int, numbering: Numbering = "uniprot", chain: str | None = None) -> int:
        """Return the index of the residue with this number.

        Parameters
        ----------
        number : int
            Residue number.
        numbering : {"uniprot", "author"}
            Which numbers to look in.
        chain : str, optional
            Restrict to one chain.

        Returns
        -------
        int
            Index into the residue arrays.

        Raises
        ------
        StructureError
            No residue, or more than one, has this number.
        """
        numbers = self.uniprot_numbers if numbering == "uniprot" else self.author_numbers
        mask = (numbers == number) & ~np.isin(self.residue_names, NO_AMINO_ACIDS)
        if chain is not None:
            mask &= self.chain_ids == chain
        hits = np.flatnonzero(mask)
        if len(hits) == 1:
            return int(hits[0])
        where = f"{self.name}" + (f" chain {chain}" if chain else "")
        if len(hits) == 0:
            present = numbers[(numbers != 0) & ~np.isin(self.residue_names, NO_AMINO_ACIDS)]
            span = f"{present.min()}-{present.max()}" if len(present) else "none"
            raise StructureError(
                f"{where}: no residue {number} in {numbering} numbering (present: {span}); it may lie in a missing loop"
            )
        raise StructureError(f"{where}: residue {number} occurs {len(hits)} times; name the chain or insertion code")

    def atom_indices(self, residue: int) -> IntArray:
        """Return the atom indices of one residue, (n,) int."""
        start, stop = np.searchsorted(self.atom_residue, [residue, residue + 1])
        return np.arange(start, stop, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class StructureEntry:
    """One structure of the bundled library; residue numbers are UniProt's.

    Parameters
    ----------
    name, kinase, uniprot, pdb_id : str
    file : str
        mmCIF (gzip) file name under ``structures/``.
    first, last : int
        First and last residue present.
    dfg, alpha_c : str
        Conformational state as measured by ``dockkit.kinase``.
    box_center, box_size : tuple of three floats
        Search box, Angstrom.
    bound_ligand, bound_ligand_file : str
        Name of a library ligand whose crystal pose is in the frame of the structure, and its SDF; or empty.
    differences : tuple of str
        Residues that differ from UniProt, e.g. ``N336S``.
    modelled : bool
    expected_error : str
        For a model: measured deviations from crystals of the wanted state, in words with numbers.
    suits : tuple of str
        Binding types (``BindingType``) that the conformation was made for; empty for no preference.
    source, licence : str
    notes : tuple of str
    """

    name: str
    kinase: str
    uniprot: str
    pdb_id: str
    file: str
    first: int
    last: int
    dfg: str
    alpha_c: str
    box_center: tuple[float, float, float]
    box_size: tuple[float, float, float]
    bound_ligand: str = ""
    bound_ligand_file: str = ""
    differences: tuple[str, ...] = ()
    modelled: bool = False
    expected_error: str = ""
    suits: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
