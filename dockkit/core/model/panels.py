"""Panels (mutations x inhibitors) and scans (substitutions around a ligand)."""

from __future__ import annotations

from dataclasses import dataclass

from dockkit.core.model.base import FloatArray, freeze
from dockkit.core.model.proteins import Receptor
from dockkit.core.model.results import RowDetail, StudyResult


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """Rows of a mutation table that are not used, and why.

    Parameters
    ----------
    where : str
        File and line of the first of them.
    text : str
        What stands there.
    reason : str
    rows : int
        How many rows say the same.
    """

    where: str
    text: str
    reason: str
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Cover:
    """How much of a panel one inhibitor, or two together, hold.

    Parameters
    ----------
    inhibitors : tuple of str
    expected : float
        Weighted share of the panel that is held, expected over the errors, 0 to 1. For a pair each mutation counts with
        the likelier of the two, as if their errors were fully correlated; one without a value counts as not held.
    upper : float
        The same with independent errors of the two, and mutations without a value counted as held.
    spread : float
        Standard deviation of the share over the errors, those of different mutations being independent.
    called : float
        Weighted share whose expected fold change itself is at most the threshold.
    unknown : float
        Weighted share without a value for any of the inhibitors.
    """

    inhibitors: tuple[str, ...]
    expected: float
    upper: float
    spread: float
    called: float
    unknown: float


@dataclass(frozen=True, slots=True)
class PanelResult:
    """A finished panel.

    Parameters
    ----------
    study : StudyResult
    mutations, inhibitors : tuple of str
        m rows and n columns, in the study's order.
    cases : (m,) float
        How often each mutation was seen; all 1 where nobody counted.
    counted : bool
        Whether ``cases`` were given.
    expected, error : (m, n) float
        Effective ddG to expect after calibration and the standard deviation of its distribution, kcal/mol; NaN where
        the cell failed.
    effective : (m, n) float
        Effective ddG as computed, kcal/mol.
    holds : (m, n) float
        Probability that the fold change is at most ``covered_fold``, from the expected value; NaN where the cell
        failed.
    singles, pairs : tuple of Cover
        Best first.
    covered_fold : float
    row_order, column_order : tuple of int
        Leaves of the clustering; as given where there is nothing to cluster.
    row_tree, column_tree : tuple of (float, float, float, float)
        Linkage as scipy writes it: two clusters, their distance in kcal/mol, size; empty where nothing was clustered.
    refused : tuple of RefusedRow
    notes : tuple of str
    """

    study: StudyResult
    mutations: tuple[str, ...]
    inhibitors: tuple[str, ...]
    cases: FloatArray
    counted: bool
    expected: FloatArray
    error: FloatArray
    effective: FloatArray
    holds: FloatArray
    singles: tuple[Cover, ...]
    pairs: tuple[Cover, ...]
    covered_fold: float
    row_order: tuple[int, ...]
    column_order: tuple[int, ...]
    row_tree: tuple[tuple[float, float, float, float], ...] = ()
    column_tree: tuple[tuple[float, float, float, float], ...] = ()
    refused: tuple[RefusedRow, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        m, n = len(self.mutations), len(self.inhibitors)
        freeze(self, "cases", float, (m,))
        for name in ("expected", "error", "effective", "holds"):
            freeze(self, name, float, (m, n))

    @property
    def weights(self) -> FloatArray:
        """Share of each mutation in the panel, (m,) float; they add up to 1."""
        shares: FloatArray = self.cases / self.cases.sum()
        return shares

    def detail(self, mutation: str, inhibitor: str) -> RowDetail | None:
        """Return the row behind a cell, None where there is none."""
        return next(
            (d for d in self.study.rows if d.row.mutation == mutation and d.row.ligand == inhibitor),
            None,
        )


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One substitution of a scan; numbers are NaN where it failed, and ``detail.row.message`` says why.

    Parameters
    ----------
    detail : RowDetail
        ddG of inhibitor, ATP and both.
    number : int
        In the study's numbering.
    insertion_code : str
    wild_type, mutant : str
        One-letter codes.
    nucleotides : int
        Fewest nucleotides to change.
    reachable, reachable_low, reachable_high : float
        Probability that a random single-nucleotide change of the codon makes this substitution, and its range over the
        codons that may stand there.
    resists : float
        Probability that the fold change exceeds the threshold.
    score : float
        ``reachable * resists``.
    rank : int
        1 for the most likely resistance; 0 where the substitution failed.
    """

    detail: RowDetail
    number: int
    wild_type: str
    mutant: str
    nucleotides: int
    reachable: float
    reachable_low: float
    reachable_high: float
    resists: float
    score: float
    rank: int = 0
    insertion_code: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """Which residue of the scanned chain: number and insertion code."""
        return (self.number, self.insertion_code)


@dataclass(frozen=True, slots=True)
class ScanResidue:
    """What a scan says of one residue.

    Parameters
    ----------
    number : int
        In the study's numbering.
    letter, chain : str
    distance : float
        Between its nearest heavy atom and the ligand's, Angstrom.
    role : str
        Gatekeeper, hinge, catalytic Lys ...; empty for any other.
    essential : bool
        Catalysis needs this very residue; a mutant is not expected to live by this kinase.
    score : float
        Sum of the substitutions' scores: the probability that a random single-nucleotide change here resists.
    mean_resists : float
        Mean probability of resistance over the substitutions that have a value; NaN where none has.
    best : str
        Its highest-ranked substitution; empty where all failed.
    n, failed : int
        Substitutions computed, and those that failed.
    """

    number: int
    letter: str
    chain: str
    distance: float
    role: str
    essential: bool
    score: float
    mean_resists: float
    best: str
    n: int
    failed: int
    insertion_code: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """Which residue of the scanned chain: number and insertion code."""
        return (self.number, self.insertion_code)

    @property
    def label(self) -> str:
        """Such as ``T315``."""
        return f"{self.letter}{self.number}{self.insertion_code}"


@dataclass(frozen=True, slots=True)
class ScanResult:
    """A finished scan of one ligand in one structure.

    Parameters
    ----------
    study : StudyResult
    ligand : str
    receptor : Receptor
    ligand_coordinates : (n_atoms, 3) float
        The pose, Angstrom.
    rows : tuple of ScanRow
        By rank, failed ones last.
    residues : tuple of ScanResidue
        In the order of the chain.
    single_nucleotide : bool
        Only substitutions that one nucleotide makes were computed.
    within_angstrom, transition_rate, resistant_fold : float
        See :class:`dockkit.core.settings.ScanSettings`.
    codons : str
        What was assumed of the codons, in a sentence.
    notes : tuple of str
    """

    study: StudyResult
    ligand: str
    receptor: Receptor
    ligand_coordinates: FloatArray
    rows: tuple[ScanRow, ...]
    residues: tuple[ScanResidue, ...]
    single_nucleotide: bool
    within_angstrom: float
    transition_rate: float
    resistant_fold: float
    codons: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy and freeze the pose."""
        freeze(self, "ligand_coordinates", float, (None, 3))
