"""The records that travel between stages.

Every record is frozen and slotted; arrays inside are read-only copies whose shapes are checked
when the record is made. Lengths are in Angstrom, energies in kcal/mol, times in ps, charges in e.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dockkit.core.errors import EnergyError, LigandError, StructureError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StrArray = NDArray[np.str_]

DfgState = Literal["in", "out", "inter", "unknown"]
HelixState = Literal["in", "out", "unknown"]
StateName = Literal["wild-type", "mutant"]
Numbering = Literal["uniprot", "author"]
BindingType = Literal["I", "I1/2", "II", "III", "IV", "nucleotide", "unknown"]


def frozen_array(values: ArrayLike, dtype: Any, shape: tuple[int | None, ...], what: str) -> NDArray[Any]:
    """Return a read-only copy with a checked shape.

    Parameters
    ----------
    values : array_like
        The data.
    dtype : numpy dtype
        Wanted type; ``str`` keeps the longest string.
    shape : tuple of int or None
        Wanted shape, None where any length is good.
    what : str
        Name for the error message.

    Returns
    -------
    ndarray
        C-contiguous, not writeable.

    Raises
    ------
    ValueError
        The shape does not fit.
    """
    array = np.array(values, dtype=dtype, copy=True, order="C")
    if array.size == 0:
        array = array.reshape(tuple(0 if n is None else n for n in shape))
    fits = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=False)
    )
    if not fits:
        raise ValueError(f"{what} has shape {array.shape}, expected {shape}")
    array.setflags(write=False)
    return array


def _freeze(record: object, name: str, dtype: Any, shape: tuple[int | None, ...]) -> None:
    value = frozen_array(getattr(record, name), dtype, shape, f"{type(record).__name__}.{name}")
    object.__setattr__(record, name, value)


# --------------------------------------------------------------------------- kinases and structures


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
    """The conformational state of a kinase domain and the distances it was read from (Angstrom)."""

    dfg: DfgState = "unknown"
    alpha_c: HelixState = "unknown"
    measures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Receptor:
    """A protein, ready for modelling: every hydrogen present, termini and breaks capped.

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
        UniProt numbers; 0 where the residue has none (caps, tags, unknown protein).
    segments : (n_residues,) int
        Residues of one segment are joined by peptide bonds; the number rises at every break.
    disulfides : (n_bonds, 2) int
        Residue indices of disulfide partners.
    conformation : Conformation
        DFG and alpha-C state.
    notes : tuple of str
        What preparation changed, one sentence each.
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

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n_atoms, n_residues = len(self.atom_names), len(self.residue_names)
        try:
            for name in ("atom_names", "elements"):
                _freeze(self, name, str, (n_atoms,))
            _freeze(self, "atom_residue", np.int64, (n_atoms,))
            _freeze(self, "coordinates", np.float64, (n_atoms, 3))
            for name in ("residue_names", "chain_ids", "insertion_codes"):
                _freeze(self, name, str, (n_residues,))
            for name in ("author_numbers", "uniprot_numbers", "segments"):
                _freeze(self, name, np.int64, (n_residues,))
            _freeze(self, "disulfides", np.int64, (None, 2))
        except ValueError as error:
            raise StructureError(f"{self.name}: {error}") from error
        steps = np.diff(self.atom_residue)
        if n_atoms and (self.atom_residue[0] != 0 or self.atom_residue[-1] != n_residues - 1 or not np.isin(steps, (0, 1)).all()):
            raise StructureError(f"{self.name}: atoms are not grouped by residue")
        if not np.isfinite(self.coordinates).all():
            raise StructureError(f"{self.name}: coordinates are not finite")

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atom_names)

    @property
    def n_residues(self) -> int:
        """Number of residues, caps included."""
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
        mask = (numbers == number) & ~np.isin(self.residue_names, ("ACE", "NME"))
        if chain is not None:
            mask &= self.chain_ids == chain
        hits = np.flatnonzero(mask)
        if len(hits) == 1:
            return int(hits[0])
        where = f"{self.name}" + (f" chain {chain}" if chain else "")
        if len(hits) == 0:
            present = numbers[numbers != 0]
            span = f"{present.min()}-{present.max()}" if len(present) else "none"
            raise StructureError(f"{where}: no residue {number} in {numbering} numbering (present: {span}); it may lie in a missing loop")
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


# --------------------------------------------------------------------------- mutations


@dataclass(frozen=True, slots=True, order=True)
class Substitution:
    """One amino-acid replacement, e.g. T315I; letters are one-letter codes."""

    number: int
    wild_type: str
    mutant: str
    chain: str = ""
    insertion_code: str = ""

    @property
    def label(self) -> str:
        """Short form, e.g. ``T315I``."""
        return f"{self.wild_type}{self.number}{self.insertion_code}{self.mutant}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One or more substitutions made together; empty for the wild type."""

    substitutions: tuple[Substitution, ...] = ()

    @property
    def label(self) -> str:
        """Short form, e.g. ``L858R/T790M``; ``wild-type`` where empty."""
        return "/".join(item.label for item in self.substitutions) or "wild-type"

    @property
    def reversed_to_wild_type(self) -> Variant:
        """The same sites with every residue kept: the wild type through the same path."""
        return Variant(
            tuple(
                Substitution(s.number, s.wild_type, s.wild_type, s.chain, s.insertion_code)
                for s in self.substitutions
            )
        )


@dataclass(frozen=True, slots=True)
class SideChainModel:
    """One way the substituted side chains may stand.

    Parameters
    ----------
    receptor : Receptor
        The whole receptor with the substitution made, hydrogens included.
    score : float
        Rotamer score, kcal/mol, lower is better; comparable only within one variant.
    rotamers : tuple of str
        What was chosen for each site and each repacked neighbour, e.g. ``I315 chi 60 170``.
    probability : float
        Library probability of the rotamer(s), 0 to 1.
    """

    receptor: Receptor
    score: float
    rotamers: tuple[str, ...]
    probability: float


# --------------------------------------------------------------------------- ligands


@dataclass(frozen=True, slots=True)
class LigandEntry:
    """What the catalogue knows of one ligand.

    ``smiles`` is the uncharged compound, ``smiles_ph74`` the protonation state that is modelled (pH 7.4);
    ``synonyms`` are codes and PDB het codes by which the ligand can also be asked for.
    """

    name: str
    smiles: str
    targets: tuple[str, ...] = ()
    generation: str = ""
    binding_type: BindingType = "unknown"
    atp_competitive: bool = True
    covalent_residue: str = ""
    status: str = ""
    source: str = ""
    smiles_ph74: str = ""
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ligand:
    """One molecule in one protonation state, all hydrogens explicit, in 3-D.

    Parameters
    ----------
    name : str
        Label used in tables and file names.
    smiles : str
        Canonical isomeric SMILES of this protonation state.
    mol_block : str
        V2000 mol block with every hydrogen and the Kekule bond orders; its atom order is the record's.
    elements : (n_atoms,) str
        Element symbols.
    formal_charges : (n_atoms,) int
        Formal charges, e.
    coordinates : (n_atoms, 3) float
        Angstrom: a generated conformer, or the input's own where ``pose_given`` is true.
    pose_given : bool
        The coordinates are a pose in the receptor's frame, not a free conformer.
    entry : LigandEntry or None
        Catalogue facts where the ligand is known.
    notes : tuple of str
        What was chosen (protonation, tautomer, salt removed), one sentence each.
    """

    name: str
    smiles: str
    mol_block: str
    elements: StrArray
    formal_charges: IntArray
    coordinates: FloatArray
    pose_given: bool = False
    entry: LigandEntry | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = len(self.elements)
        try:
            _freeze(self, "elements", str, (n,))
            _freeze(self, "formal_charges", np.int64, (n,))
            _freeze(self, "coordinates", np.float64, (n, 3))
        except ValueError as error:
            raise LigandError(f"{self.name}: {error}") from error
        if n == 0 or not np.isfinite(self.coordinates).all():
            raise LigandError(f"{self.name}: no atoms, or coordinates that are not finite")

    @property
    def n_atoms(self) -> int:
        """Number of atoms, hydrogens included."""
        return len(self.elements)

    @property
    def charge(self) -> int:
        """Net formal charge, e."""
        return int(self.formal_charges.sum())


@dataclass(frozen=True, slots=True)
class LigandParameters:
    """Force-field parameters of one molecule, as flat arrays in the atom order of its Ligand.

    Energies are U = k/2 (r - r0)^2 for bonds and k/2 (theta - theta0)^2 for angles (OpenMM's convention),
    k (1 + cos(n phi - phase)) for torsions, Lennard-Jones with Lorentz-Berthelot mixing.

    Parameters
    ----------
    name, smiles, method : str
        Molecule and where the numbers come from, e.g. ``openff-2.2.1 + openff-gnn-am1bcc-0.1.0-rc.3``.
    masses, charges : (n_atoms,) float
        Dalton, e. Charges sum to the formal charge.
    sigma, epsilon : (n_atoms,) float
        Angstrom, kcal/mol.
    bond_atoms : (n_bonds, 2) int
    bond_parameters : (n_bonds, 2) float
        r0 in Angstrom, k in kcal/mol/A^2.
    angle_atoms : (n_angles, 3) int
    angle_parameters : (n_angles, 2) float
        theta0 in radian, k in kcal/mol/rad^2.
    torsion_atoms : (n_torsions, 4) int
        Proper and improper torsions, one row per Fourier term.
    torsion_parameters : (n_torsions, 3) float
        Periodicity, phase in radian, k in kcal/mol.
    exception_atoms : (n_exceptions, 2) int
        1-2, 1-3 (excluded) and 1-4 (scaled) pairs.
    exception_parameters : (n_exceptions, 3) float
        Charge product in e^2, sigma in Angstrom, epsilon in kcal/mol.
    """

    name: str
    smiles: str
    method: str
    masses: FloatArray
    charges: FloatArray
    sigma: FloatArray
    epsilon: FloatArray
    bond_atoms: IntArray
    bond_parameters: FloatArray
    angle_atoms: IntArray
    angle_parameters: FloatArray
    torsion_atoms: IntArray
    torsion_parameters: FloatArray
    exception_atoms: IntArray
    exception_parameters: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = len(self.masses)
        try:
            for name in ("masses", "charges", "sigma", "epsilon"):
                _freeze(self, name, np.float64, (n,))
            for name, width in (("bond", 2), ("angle", 3), ("torsion", 4), ("exception", 2)):
                _freeze(self, f"{name}_atoms", np.int64, (None, width))
                rows = len(getattr(self, f"{name}_atoms"))
                columns = 2 if name in ("bond", "angle") else 3
                _freeze(self, f"{name}_parameters", np.float64, (rows, columns))
        except ValueError as error:
            raise LigandError(f"{self.name}: {error}") from error

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.masses)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a ligand stands in a receptor.

    Parameters
    ----------
    ligand, receptor : str
        Names.
    coordinates : (n_atoms, 3) float
        Angstrom, all atoms of the Ligand in its order.
    engine : str
        ``vina``, ``bound`` (from the input) or ``placed`` (ATP on the annotated residues).
    score : float
        The engine's score, kcal/mol; NaN where the engine has none.
    rank : int
        The engine's own rank, 1 for its best.
    features : tuple of (str, float)
        Kinase-aware descriptors behind the choice (hinge hydrogen bonds, gatekeeper distance ...).
    reason : str
        Why this pose was chosen, for the report.
    """

    ligand: str
    receptor: str
    coordinates: FloatArray
    engine: str
    score: float = float("nan")
    rank: int = 1
    features: tuple[tuple[str, float], ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        _freeze(self, "coordinates", np.float64, (None, 3))


# --------------------------------------------------------------------------- energies


@dataclass(frozen=True, slots=True)
class Assembly:
    """A receptor and a ligand with the parameters of every atom; receptor atoms first, then the ligand's.

    Parameters
    ----------
    receptor : Receptor
    ligand : str
        Ligand name.
    ligand_elements : (n_ligand_atoms,) str
    parameters : LigandParameters
        Of the whole complex, in that atom order.
    born_radii, born_scales : (n_atoms,) float
        Intrinsic generalised-Born radii (Angstrom) and HCT screening factors.
    """

    receptor: Receptor
    ligand: str
    ligand_elements: StrArray
    parameters: LigandParameters
    born_radii: FloatArray
    born_scales: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        n = self.receptor.n_atoms + len(self.ligand_elements)
        _freeze(self, "ligand_elements", str, (None,))
        _freeze(self, "born_radii", np.float64, (n,))
        _freeze(self, "born_scales", np.float64, (n,))
        if self.parameters.n_atoms != n:
            raise EnergyError(f"{self.receptor.name} with {self.ligand}: {self.parameters.n_atoms} parameters for {n} atoms")

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the complex."""
        return self.parameters.n_atoms

    @property
    def elements(self) -> StrArray:
        """Element symbols of the complex, (n_atoms,) str."""
        return np.concatenate([self.receptor.elements, self.ligand_elements])

    @property
    def atom_residue(self) -> IntArray:
        """Residue index of every atom, (n_atoms,) int; the ligand's is ``receptor.n_residues``."""
        ligand = np.full(len(self.ligand_elements), self.receptor.n_residues, dtype=np.int64)
        return np.concatenate([self.receptor.atom_residue, ligand])


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an assembly that is simulated: a mobile shell in a frozen surrounding.

    Parameters
    ----------
    atoms : (n,) int
        Indices into the assembly, ascending; whole residues.
    mobile : (n,) bool
        Which of them may move.
    residues : (m,) int
        Receptor residues kept.
    mobile_residues : (k,) int
        Receptor residues free to move.
    """

    atoms: IntArray
    mobile: NDArray[np.bool_]
    residues: IntArray
    mobile_residues: IntArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        _freeze(self, "atoms", np.int64, (None,))
        _freeze(self, "mobile", np.bool_, (len(self.atoms),))
        _freeze(self, "residues", np.int64, (None,))
        _freeze(self, "mobile_residues", np.int64, (None,))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its standard error; ``n`` is the number of independent values behind it."""

    value: float
    sem: float
    n: int = 1


TERM_NAMES = ("vdw", "coulomb", "gb", "surface")
"""MM-GBSA terms of a binding energy, in column order."""


@dataclass(frozen=True, slots=True)
class ComplexState:
    """One state (wild type or mutant) of a complex, relaxed, with its binding-energy terms.

    Parameters
    ----------
    state : {"wild-type", "mutant"}
    variant : str
        Label of the variant, e.g. ``T315I``.
    receptor : Receptor
        Relaxed receptor of the best start.
    ligand : str
        Ligand name.
    ligand_coordinates : (n_ligand_atoms, 3) float
        Angstrom, relaxed, best start.
    terms : (n_starts, 4) float
        vdw, coulomb, gb, surface of E(complex) - E(receptor) - E(ligand), kcal/mol, one row per start.
    per_residue : (n_residues, 3) float
        Each residue's direct interaction with the ligand in the first start (the geometry shown): vdw, coulomb, gb
        (screening), kcal/mol. ``desolvation`` holds what cannot be assigned to a residue pair.
    desolvation : float
        GB self-energy change and surface term of the first start, kcal/mol; per_residue + desolvation = its terms' sum.
    start_labels : tuple of str
        How each start was made (rotamer, seed).
    warnings : tuple of str
    """

    state: StateName
    variant: str
    receptor: Receptor
    ligand: str
    ligand_coordinates: FloatArray
    terms: FloatArray
    per_residue: FloatArray
    desolvation: float
    start_labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        try:
            _freeze(self, "ligand_coordinates", np.float64, (None, 3))
            _freeze(self, "terms", np.float64, (None, 4))
            _freeze(self, "per_residue", np.float64, (self.receptor.n_residues, 3))
        except ValueError as error:
            raise EnergyError(f"{self.variant} with {self.ligand}: {error}") from error
        if not np.isfinite(self.terms).all():
            raise EnergyError(f"{self.variant} with {self.ligand}: an energy term is not finite")


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Frames of one state of a complex from short pocket dynamics.

    Parameters
    ----------
    state : {"wild-type", "mutant"}
    ligand : str
    receptor : Receptor
        Topology of the protein part (the simulated pocket, fewer residues than the input), minimised coordinates.
    ligand_start : (n_ligand_atoms, 3) float
        Angstrom, minimised.
    ligand_coordinates : (n_replicas, n_frames, n_ligand_atoms, 3) float
        Angstrom.
    receptor_coordinates : (n_replicas, n_frames, n_receptor_atoms, 3) float
        Angstrom.
    mobile_residues : (n,) int
        Indices of residues free to move.
    time_ps : (n_frames,) float
        Time of each frame since the end of equilibration.
    terms : (n_replicas, n_frames, 4) float
        MM-GBSA terms per frame, kcal/mol.
    temperature_kelvin : (n_replicas, n_frames) float
        Instantaneous temperature.
    seeds : (n_replicas,) int
    """

    state: StateName
    ligand: str
    receptor: Receptor
    ligand_start: FloatArray
    ligand_coordinates: FloatArray
    receptor_coordinates: FloatArray
    mobile_residues: IntArray
    time_ps: FloatArray
    terms: FloatArray
    temperature_kelvin: FloatArray
    seeds: IntArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        _freeze(self, "ligand_start", np.float64, (None, 3))
        _freeze(self, "ligand_coordinates", np.float64, (None, None, len(self.ligand_start), 3))
        replicas, frames = self.ligand_coordinates.shape[:2]
        _freeze(self, "receptor_coordinates", np.float64, (replicas, frames, self.receptor.n_atoms, 3))
        _freeze(self, "mobile_residues", np.int64, (None,))
        _freeze(self, "time_ps", np.float64, (frames,))
        _freeze(self, "terms", np.float64, (replicas, frames, 4))
        _freeze(self, "temperature_kelvin", np.float64, (replicas, frames))
        _freeze(self, "seeds", np.int64, (replicas,))


@dataclass(frozen=True, slots=True)
class DynamicsComparison:
    """Wild type against mutant over the short dynamics; distances in Angstrom.

    The first axis of the RMSD arrays is the replica. RMSF arrays follow ``rmsf_residues``.

    Parameters
    ----------
    time_ps : (n_frames,) float
    ligand_rmsd_wild_type, ligand_rmsd_mutant : (n_replicas, n_frames) float
        Heavy-atom RMSD of the ligand to its minimised start; the frozen surrounding fixes the frame.
    pocket_rmsd_wild_type, pocket_rmsd_mutant : (n_replicas, n_frames) float
        Heavy-atom RMSD of the mobile residues' backbone.
    rmsf_residues : (n,) int
        Residue numbers as reported to the user.
    rmsf_labels : (n,) str
        E.g. ``M318``; the mutated residue is given as in the wild type.
    rmsf_wild_type, rmsf_mutant : (n,) float
        Root mean square fluctuation of the C-alpha atoms.
    hinge_hbond_wild_type, hinge_hbond_mutant : Estimate
        Fraction of frames with a ligand-hinge hydrogen bond.
    ddg : Estimate
        MM-GBSA over the frames, mutant minus wild type, block error over replicas, kcal/mol.
    length_ps : float
        Production length of each replica.
    notes : tuple of str
    """

    time_ps: FloatArray
    ligand_rmsd_wild_type: FloatArray
    ligand_rmsd_mutant: FloatArray
    pocket_rmsd_wild_type: FloatArray
    pocket_rmsd_mutant: FloatArray
    rmsf_residues: IntArray
    rmsf_labels: StrArray
    rmsf_wild_type: FloatArray
    rmsf_mutant: FloatArray
    hinge_hbond_wild_type: Estimate
    hinge_hbond_mutant: Estimate
    ddg: Estimate
    length_ps: float
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        _freeze(self, "time_ps", np.float64, (None,))
        for name in ("ligand_rmsd_wild_type", "ligand_rmsd_mutant", "pocket_rmsd_wild_type", "pocket_rmsd_mutant"):
            _freeze(self, name, np.float64, (None, len(self.time_ps)))
        _freeze(self, "rmsf_residues", np.int64, (None,))
        _freeze(self, "rmsf_labels", str, (len(self.rmsf_residues),))
        for name in ("rmsf_wild_type", "rmsf_mutant"):
            _freeze(self, name, np.float64, (len(self.rmsf_residues),))


# --------------------------------------------------------------------------- results


Call = Literal["lost", "weakened", "kept", "gained", ""]


@dataclass(frozen=True, slots=True)
class ResistanceRow:
    """One row of the result table: kinase x mutation x ligand. Energies in kcal/mol, mutant minus wild type.

    A row whose ``status`` is not ``ok`` has NaN numbers, an empty call, and says why in ``message``.
    """

    kinase: str
    uniprot: str
    structure: str
    mutation: str
    ligand: str
    ddg_inhibitor_kcal_mol: float = float("nan")
    ddg_inhibitor_sem: float = float("nan")
    ddg_atp_kcal_mol: float = float("nan")
    ddg_atp_sem: float = float("nan")
    ddg_effective_kcal_mol: float = float("nan")
    ddg_effective_sem: float = float("nan")
    fold_change: float = float("nan")
    fold_change_low: float = float("nan")
    fold_change_high: float = float("nan")
    call: Call = ""
    reason: str = ""
    status: str = "ok"
    message: str = ""
    modelled_structure: bool = False
    binding_type: str = ""
    pose_engine: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class RowDetail:
    """Everything behind one row that the report shows; parts are None where a task failed or was not asked for."""

    row: ResistanceRow
    ligand: Ligand | None = None
    pose: Pose | None = None
    wild_type: ComplexState | None = None
    mutant: ComplexState | None = None
    dynamics: DynamicsComparison | None = None
    variant: Variant = Variant()


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A finished study: what the report is written from.

    Parameters
    ----------
    name, title, question : str
        Study name, title and the question it asks.
    kinase : Kinase
    numbering : {"uniprot", "author"}
        Numbering of every residue number shown.
    rows : tuple of RowDetail
        Inhibitor rows, in the study's order (mutation, then inhibitor).
    atp : tuple of RowDetail
        The ATP.Mg row of each mutation (``ddg_inhibitor`` fields hold the ATP's own ddG).
    atp_concentration_mm, temperature_kelvin : float
    warnings : tuple of str
    provenance : tuple of (str, str)
        Versions, seeds, platform: name and value, for the page's last section.
    """

    name: str
    title: str
    question: str
    kinase: Kinase
    numbering: Numbering
    rows: tuple[RowDetail, ...]
    atp: tuple[RowDetail, ...]
    atp_concentration_mm: float
    temperature_kelvin: float
    warnings: tuple[str, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
