"""Trajectories of the pocket and the comparison of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dockkit.core.model.base import FloatArray, IntArray, StateName, StrArray, freeze
from dockkit.core.model.energies import Estimate
from dockkit.core.model.proteins import Receptor


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
        freeze(self, "ligand_start", np.float64, (None, 3))
        freeze(self, "ligand_coordinates", np.float64, (None, None, len(self.ligand_start), 3))
        replicas, frames = self.ligand_coordinates.shape[:2]
        freeze(self, "receptor_coordinates", np.float64, (replicas, frames, self.receptor.n_atoms, 3))
        freeze(self, "mobile_residues", np.int64, (None,))
        freeze(self, "time_ps", np.float64, (frames,))
        freeze(self, "terms", np.float64, (replicas, frames, 4))
        freeze(self, "temperature_kelvin", np.float64, (replicas, frames))
        freeze(self, "seeds", np.int64, (replicas,))


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
        freeze(self, "time_ps", np.float64, (None,))
        for name in ("ligand_rmsd_wild_type", "ligand_rmsd_mutant", "pocket_rmsd_wild_type", "pocket_rmsd_mutant"):
            freeze(self, name, np.float64, (None, len(self.time_ps)))
        freeze(self, "rmsf_residues", np.int64, (None,))
        freeze(self, "rmsf_labels", str, (len(self.rmsf_residues),))
        for name in ("rmsf_wild_type", "rmsf_mutant"):
            freeze(self, name, np.float64, (len(self.rmsf_residues),))
