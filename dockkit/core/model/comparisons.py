"""Wild type against mutant over their dynamics: quantities with errors, maps of residues, components, answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dockkit.core.model.base import FloatArray, IntArray, StrArray, freeze
from dockkit.core.model.dynamics import Trajectory
from dockkit.core.model.energies import Estimate
from dockkit.core.model.ligands import Ligand

LegRole = Literal["inhibitor", "ATP", "apo"]
"""What stands in the pocket of a leg."""


@dataclass(frozen=True, slots=True)
class DynamicsLeg:
    """Both states of the kinase with the same thing in the pocket, run under identical settings.

    Parameters
    ----------
    role : {"inhibitor", "ATP", "apo"}
    wild_type, mutant : Trajectory
    ligand : Ligand or None
        None for the empty pocket.
    """

    role: LegRole
    wild_type: Trajectory
    mutant: Trajectory
    ligand: Ligand | None = None

    @property
    def name(self) -> str:
        """The ligand's name, ``apo`` for the empty pocket."""
        return self.ligand.name if self.ligand is not None else "apo"


@dataclass(frozen=True, slots=True)
class Difference:
    """Mutant against wild type in one quantity, mutant minus wild type, with what its error rests on.

    Parameters
    ----------
    wild_type, mutant : Estimate
        Means after equilibration; ``n`` is the effective number of samples.
    change : Estimate
        Mutant minus wild type; ``n`` is the replicas of a state.
    low, high : float
        95 % confidence interval of the change.
    p_value : float
        Two-sided, of no change.
    called : bool
        The interval excludes zero, and what the wild type differs from itself by where ``control_called``.
    paired : bool
        ``change`` uses that replicas of equal seed go up and down together.
    independent_sem, paired_sem : float
        Standard error by either design; NaN where replicas are not paired.
    correlation : float
        Of paired blocks; NaN where replicas are not paired.
    control : Estimate
        The same comparison between two halves of the wild type's own replicas, where nothing differs.
    control_called : bool
        That comparison excludes zero, which it should not.
    discarded_ps : tuple of float
        Equilibration cut off from each replica of wild type and mutant.
    inefficiency : tuple of float
        Statistical inefficiency in frames of wild type and mutant.
    drift : tuple of bool
        The second half of the replicas differs from the first half.
    """

    wild_type: Estimate
    mutant: Estimate
    change: Estimate
    low: float
    high: float
    p_value: float
    called: bool
    paired: bool
    independent_sem: float
    paired_sem: float
    correlation: float
    control: Estimate
    control_called: bool
    discarded_ps: tuple[float, float]
    inefficiency: tuple[float, float]
    drift: tuple[bool, bool]


@dataclass(frozen=True, slots=True)
class Observable:
    """One quantity of both states in every frame, and its comparison.

    Parameters
    ----------
    name : str
        For files and look-up, such as ``ligand_rmsd``.
    label : str
        In words.
    unit : str
        Empty for a fraction or a count.
    wild_type, mutant : (n_replicas, n_frames) float
        NaN where a frame has no value.
    difference : Difference
    """

    name: str
    label: str
    unit: str
    wild_type: FloatArray
    mutant: FloatArray
    difference: Difference

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        for name in ("wild_type", "mutant"):
            freeze(self, name, np.float64, (None, None))


@dataclass(frozen=True, slots=True)
class ResidueMap:
    """One quantity of every residue in both states.

    Parameters
    ----------
    name, label, unit : str
        As in :class:`Observable`.
    residues : (n,) int
        Residue numbers as reported to the user.
    labels : (n,) str
        E.g. ``M318``, and ``T315I`` at a mutated site.
    kinds : (n,) str
        Kind of interaction; empty where the map has none.
    klifs : (n,) str
        KLIFS position such as ``hinge 48``; empty outside the pocket.
    wild_type, mutant, change, sem : (n,) float
        Means, mutant minus wild type, and its standard error.
    p_values, q_values : (n,) float
        Two-sided, and after Benjamini and Hochberg over the map.
    called : (n,) bool
        Changes at a false discovery rate of 5 %.
    """

    name: str
    label: str
    unit: str
    residues: IntArray
    labels: StrArray
    kinds: StrArray
    klifs: StrArray
    wild_type: FloatArray
    mutant: FloatArray
    change: FloatArray
    sem: FloatArray
    p_values: FloatArray
    q_values: FloatArray
    called: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        n = len(self.residues)
        freeze(self, "residues", np.int64, (n,))
        for name in ("labels", "kinds", "klifs"):
            freeze(self, name, str, (n,))
        for name in ("wild_type", "mutant", "change", "sem", "p_values", "q_values"):
            freeze(self, name, np.float64, (n,))
        freeze(self, "called", np.bool_, (n,))


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components that both states share.

    Parameters
    ----------
    variance : (n,) float
        Share of the whole variance that each component holds.
    labels : (n_atoms,) str
        Residue of each atom.
    loadings : (n, n_atoms) float
        How far each C-alpha atom moves along the component (length of its part of the unit vector).
    wild_type, mutant : (n_replicas, n_frames, n) float
        Projections, Angstrom.
    cosine_content : (n,) float
        Of the projections, mean over replicas and states (Hess, Phys. Rev. E 2000, 62, 8438); near 1 is diffusion.
    """

    variance: FloatArray
    labels: StrArray
    loadings: FloatArray
    wild_type: FloatArray
    mutant: FloatArray
    cosine_content: FloatArray

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        n = len(self.variance)
        freeze(self, "variance", np.float64, (n,))
        freeze(self, "labels", str, (None,))
        freeze(self, "loadings", np.float64, (n, len(self.labels)))
        for name in ("wild_type", "mutant"):
            freeze(self, name, np.float64, (None, None, n))
        freeze(self, "cosine_content", np.float64, (n,))


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the error of a difference shrinks with the length of the runs.

    Parameters
    ----------
    length_ps : (n,) float
        Production of each replica.
    sem : (n,) float
        Standard error from that much of the data; NaN where there is too little.
    projected : (n,) float
        Expected from the whole run's variance and statistical inefficiency.
    target : float
        Standard error that is wanted, in the unit of the difference.
    needed_ps : float
        Production of each replica at which the projection meets the target.
    needed_replicas : int
        Replicas of the present length that would meet it instead.
    replicas_disagree : bool
        Replicas differ by more than their own fluctuation explains: longer runs alone may not help.
    """

    length_ps: FloatArray
    sem: FloatArray
    projected: FloatArray
    target: float
    needed_ps: float
    needed_replicas: int
    replicas_disagree: bool

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        n = len(self.length_ps)
        for name in ("length_ps", "sem", "projected"):
            freeze(self, name, np.float64, (n,))


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
    role : {"inhibitor", "ATP", "apo"}
    ligand : str
        Empty for the empty pocket.
    observables : tuple of Observable
        Every quantity that was followed.
    maps : tuple of ResidueMap
        Residue by residue: ``rmsf``, ``interactions`` (occupancy), ``energy`` (direct interaction with the ligand).
    components : Components or None
        None where fewer than three residues move or frames are too few.
    convergence : Convergence or None
        Of the binding energy; None where there is none.
    words : tuple of str
        What changed, one sentence each, with numbers.
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
    role: LegRole = "inhibitor"
    ligand: str = ""
    observables: tuple[Observable, ...] = ()
    maps: tuple[ResidueMap, ...] = ()
    components: Components | None = None
    convergence: Convergence | None = None
    words: tuple[str, ...] = ()

    def observable(self, name: str) -> Observable | None:
        """Return the quantity of this name, None where it was not followed."""
        return next((item for item in self.observables if item.name == name), None)

    def residue_map(self, name: str) -> ResidueMap | None:
        """Return the map of this name, None where there is none."""
        return next((item for item in self.maps if item.name == name), None)

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        freeze(self, "time_ps", np.float64, (None,))
        for name in ("ligand_rmsd_wild_type", "ligand_rmsd_mutant", "pocket_rmsd_wild_type", "pocket_rmsd_mutant"):
            freeze(self, name, np.float64, (None, len(self.time_ps)))
        freeze(self, "rmsf_residues", np.int64, (None,))
        freeze(self, "rmsf_labels", str, (len(self.rmsf_residues),))
        for name in ("rmsf_wild_type", "rmsf_mutant"):
            freeze(self, name, np.float64, (len(self.rmsf_residues),))


@dataclass(frozen=True, slots=True)
class DynamicsStudy:
    """What the dynamics of a variant say over all its legs; energies in kcal/mol.

    Parameters
    ----------
    variant, kinase : str
        Label of the mutation and gene symbol (empty where unknown).
    comparisons : tuple of DynamicsComparison
        One for each leg.
    inhibitors : tuple of (str, Estimate)
        Each inhibitor and its ddG, MM-GBSA over the frames.
    ddg_atp : Estimate
        The same of ATP; NaN where it was not run.
    effective : tuple of (str, Estimate)
        Each inhibitor's ddG less ATP's.
    words : tuple of str
        The answer, one sentence each.
    """

    variant: str
    kinase: str
    comparisons: tuple[DynamicsComparison, ...]
    inhibitors: tuple[tuple[str, Estimate], ...]
    ddg_atp: Estimate
    effective: tuple[tuple[str, Estimate], ...]
    words: tuple[str, ...] = ()
