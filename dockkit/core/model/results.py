"""Rows, their details and the whole study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dockkit.core.model.base import Numbering
from dockkit.core.model.comparisons import DynamicsComparison
from dockkit.core.model.energies import ComplexState
from dockkit.core.model.ligands import Ligand, Pose
from dockkit.core.model.mutations import Variant
from dockkit.core.model.proteins import Kinase

Call = Literal["lost", "weakened", "kept", "gained", ""]


@dataclass(frozen=True, slots=True)
class ResistanceRow:
    """One row of the result table: kinase x mutation x ligand. Energies in kcal/mol, mutant minus wild type.

    A row whose ``status`` is not ``ok`` has NaN numbers, an empty call, and says why in ``message``.
    ``ddg_calibrated_kcal_mol`` is the inhibitor half as experience with measured values would have it, with the
    standard deviation of its predictive distribution; ``ddg_expected_kcal_mol`` the same of the effective ddG, ATP
    included, by which inhibitors are ranked; ``resistance_probability`` that of an effective fold change above the
    study's limit, from that distribution; ``confidence`` the probability that the calibrated value is right within
    1 kcal/mol, and ``confidence_reason`` what lowered it.
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
    ddg_calibrated_kcal_mol: float = float("nan")
    ddg_calibrated_error: float = float("nan")
    resistance_probability: float = float("nan")
    confidence: float = float("nan")
    confidence_reason: str = ""
    ddg_expected_kcal_mol: float = float("nan")
    ddg_expected_error: float = float("nan")


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
