"""Trajectories of a complex and the comparison of two."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dockkit.core.model.base import FloatArray, IntArray, StateName, StrArray, freeze
from dockkit.core.model.energies import Estimate
from dockkit.core.model.proteins import Receptor


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Frames of one state of a complex, with its ligand or apo, from every replica.

    Parameters
    ----------
    state : {"wild-type", "mutant"}
    ligand : str
        Empty for the apo protein.
    receptor : Receptor
        Topology of the protein part that was simulated (of the preset ``pocket`` fewer residues than the input; kept
        waters and ions included, bulk solvent not), minimised coordinates.
    ligand_start : (n_ligand_atoms, 3) float
        Angstrom, minimised; n_ligand_atoms is 0 for apo.
    ligand_coordinates : (n_replicas, n_frames, n_ligand_atoms, 3) float
        Angstrom.
    receptor_coordinates : (n_replicas, n_frames, n_receptor_atoms, 3) float
        Angstrom, in the frame of ``ligand_coordinates``. Molecules are whole. Without a fixed frame (see
        ``fixed_frame``) the complex drifts and turns: superpose before comparing.
    mobile_residues : (n,) int
        Indices of residues free to move.
    time_ps : (n_frames,) float
        Time of each frame since the end of equilibration.
    terms : (n_replicas, n_frames, 4) float
        MM-GBSA terms per frame, kcal/mol; no columns for apo.
    temperature_kelvin : (n_replicas, n_frames) float
        Instantaneous temperature.
    seeds : (n_replicas,) int
    preset : {"pocket", "implicit", "explicit"}
        How it was sampled.
    potential_kcal_mol : (n_replicas, n_frames) float
        Potential energy of everything simulated, bulk solvent included; (0, 0) where it was not kept.
    water_coordinates : (n_replicas, n_frames, n_waters, 3, 3) float
        Angstrom: O, H, H of the bulk waters nearest to the ligand in each frame, nearest first, in the frame of the
        other coordinates; which molecules they are changes from frame to frame. No waters without explicit solvent.
    platform : str
        OpenMM platform.
    notes : tuple of str
        What went otherwise than asked (a smaller time step, no GPU, ...).
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
    preset: str = "pocket"
    potential_kcal_mol: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    water_coordinates: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0, 3, 3)))
    platform: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "temperature_kelvin", np.float64, (None, None))
        replicas, frames = self.temperature_kelvin.shape
        freeze(self, "ligand_start", np.float64, (None, 3))
        freeze(self, "ligand_coordinates", np.float64, (replicas, frames, len(self.ligand_start), 3))
        freeze(self, "receptor_coordinates", np.float64, (replicas, frames, self.receptor.n_atoms, 3))
        freeze(self, "mobile_residues", np.int64, (None,))
        freeze(self, "time_ps", np.float64, (frames,))
        freeze(self, "terms", np.float64, (replicas, frames, 4 if len(self.ligand_start) else 0))
        freeze(self, "seeds", np.int64, (replicas,))
        kept = (replicas, frames) if self.potential_kcal_mol.size else (0, 0)
        freeze(self, "potential_kcal_mol", np.float64, kept)
        near = (replicas, frames, None, 3, 3) if self.water_coordinates.size else (0, 0, 0, 3, 3)
        freeze(self, "water_coordinates", np.float64, near)

    @property
    def fixed_frame(self) -> bool:
        """Whether frozen surroundings hold the frame, so that frames need no superposition."""
        return self.preset == "pocket"


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
    ddg_inhibitor, ddg_atp, ddg_effective : Estimate
        MM-GBSA over the frames of the first inhibitor's and the ATP leg, and their difference; NaN where a leg is
        missing.
    words : tuple of str
        The answer, one sentence each.
    """

    variant: str
    kinase: str
    comparisons: tuple[DynamicsComparison, ...]
    ddg_inhibitor: Estimate
    ddg_atp: Estimate
    ddg_effective: Estimate
    words: tuple[str, ...] = ()
