"""Trajectories of a complex."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dockkit.core.model.base import FloatArray, IntArray, StateName, freeze
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
        MM-GBSA terms per frame, kcal/mol; no columns for apo; NaN in frames that were not evaluated.
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
    contributions : (n_replicas, n_frames, n_residues, 3) float
        Each residue's direct interaction with the ligand (vdw, coulomb, gb screening), kcal/mol, as in
        ``ComplexState.per_residue``; NaN in frames that were not evaluated; (0, 0, 0, 3) where none was.
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
    contributions: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0, 3)))

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
        residues = (replicas, frames, self.receptor.n_residues, 3) if self.contributions.size else (0, 0, 0, 3)
        freeze(self, "contributions", np.float64, residues)

    @property
    def fixed_frame(self) -> bool:
        """Whether frozen surroundings hold the frame, so that frames need no superposition."""
        return self.preset == "pocket"
