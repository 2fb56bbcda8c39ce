"""Compare the short pocket dynamics of wild type and mutant."""

from __future__ import annotations

import numpy as np
from Bio.Data.IUPACData import protein_letters_3to1
from numpy.typing import NDArray

from dockkit.analysis.geometry import hydrogens_of, is_hydrogen_bond, rmsd, rmsf
from dockkit.analysis.statistics import estimate, mutant_minus_wild_type
from dockkit.core.model import (
    DynamicsComparison,
    Estimate,
    FloatArray,
    IntArray,
    Kinase,
    Ligand,
    Numbering,
    Receptor,
    Trajectory,
)
from dockkit.core.residues import is_polymer

_BACKBONE = ("N", "CA", "C", "O")


def compare_dynamics(
    wild_type: Trajectory, mutant: Trajectory, ligand: Ligand, kinase: Kinase | None, numbering: Numbering
) -> DynamicsComparison:
    """Compare two trajectories of the same complex.

    Parameters
    ----------
    wild_type, mutant : Trajectory
        Run with identical settings and seeds.
    ligand : Ligand
        Its elements and atom order.
    kinase : Kinase or None
        Names the hinge; without it hinge hydrogen bonds are not counted (NaN).
    numbering : {"uniprot", "author"}
        Numbering of the residues in the result.

    Returns
    -------
    DynamicsComparison
        Distances in Angstrom, energies in kcal/mol.
    """
    heavy = ligand.elements != "H"
    states = (wild_type, mutant)
    ligand_rmsd = [rmsd(t.ligand_coordinates[..., heavy, :], t.ligand_start[heavy]) for t in states]
    pocket_rmsd = [_pocket_rmsd(t) for t in states]
    fluctuation = [rmsf(_merge(t.receptor_coordinates[:, :, _alpha_carbons(t)])) for t in states]
    residues = wild_type.receptor.atom_residue[_alpha_carbons(wild_type)]
    numbers = _numbers(wild_type.receptor, numbering)[residues]
    hinge = [_hinge_occupancy(t, ligand, kinase) for t in states]
    sums = [t.terms.sum(axis=-1) for t in states]
    length = float(wild_type.time_ps[-1])
    replicas = len(wild_type.seeds)
    notes = (
        f"{replicas} x {length:g} ps per state, {len(wild_type.mobile_residues)} mobile residues, the rest frozen: "
        "long enough to settle side chains, far too short for the P-loop or the DFG motif to change state",
    )
    return DynamicsComparison(
        time_ps=wild_type.time_ps,
        ligand_rmsd_wild_type=ligand_rmsd[0],
        ligand_rmsd_mutant=ligand_rmsd[1],
        pocket_rmsd_wild_type=pocket_rmsd[0],
        pocket_rmsd_mutant=pocket_rmsd[1],
        rmsf_residues=numbers,
        rmsf_labels=np.array(
            [_label(wild_type.receptor, r, n) for r, n in zip(residues, numbers, strict=True)], dtype=str
        ),
        rmsf_wild_type=fluctuation[0],
        rmsf_mutant=fluctuation[1],
        hinge_hbond_wild_type=hinge[0],
        hinge_hbond_mutant=hinge[1],
        ddg=mutant_minus_wild_type(*sums),
        length_ps=length,
        notes=notes,
    )


def _merge(frames: FloatArray) -> FloatArray:
    return frames.reshape(-1, *frames.shape[2:])


def _numbers(receptor: Receptor, numbering: Numbering) -> IntArray:
    return receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers


def _label(receptor: Receptor, residue: int, number: int) -> str:
    name = str(receptor.residue_names[residue])
    return f"{protein_letters_3to1.get(name.capitalize(), name)}{number}"


def _mobile_chain(trajectory: Trajectory) -> NDArray[np.bool_]:
    """Tell which atoms belong to mobile residues of the chain, not to waters or ions."""
    residue = trajectory.receptor.atom_residue
    chain = is_polymer(trajectory.receptor.residue_names)
    return np.asarray(np.isin(residue, trajectory.mobile_residues) & chain[residue])


def _alpha_carbons(trajectory: Trajectory) -> IntArray:
    return np.flatnonzero((trajectory.receptor.atom_names == "CA") & _mobile_chain(trajectory))


def _pocket_rmsd(trajectory: Trajectory) -> FloatArray:
    atoms = np.flatnonzero(np.isin(trajectory.receptor.atom_names, _BACKBONE) & _mobile_chain(trajectory))
    return rmsd(trajectory.receptor_coordinates[:, :, atoms], trajectory.receptor.coordinates[atoms])


def _hinge_occupancy(trajectory: Trajectory, ligand: Ligand, kinase: Kinase | None) -> Estimate:
    if kinase is None or kinase.gatekeeper == 0:
        return Estimate(float("nan"), float("nan"), 0)
    receptor = trajectory.receptor
    hinge = np.isin(receptor.uniprot_numbers, range(kinase.gatekeeper + 1, kinase.gatekeeper + 4))
    in_hinge = hinge[receptor.atom_residue]
    acceptors = np.flatnonzero(in_hinge & (receptor.atom_names == "O"))
    donors = [
        (int(n), int(h))
        for n in np.flatnonzero(in_hinge & (receptor.atom_names == "N"))
        for h in np.flatnonzero((receptor.atom_residue == receptor.atom_residue[n]) & (receptor.atom_names == "H"))
    ]
    polar = np.flatnonzero(np.isin(ligand.elements, ("N", "O")))
    bound = hydrogens_of(ligand.elements, trajectory.ligand_start)
    protein, small = trajectory.receptor_coordinates, trajectory.ligand_coordinates
    formed = np.zeros(small.shape[:2], dtype=bool)
    for n, h in donors:
        for atom in polar:
            formed |= is_hydrogen_bond(protein[:, :, n], protein[:, :, h], small[:, :, atom])
    for heavy, hydrogens in bound.items():
        for hydrogen in hydrogens:
            for oxygen in acceptors:
                formed |= is_hydrogen_bond(small[:, :, heavy], small[:, :, hydrogen], protein[:, :, oxygen])
    return estimate(formed.mean(axis=1))
