"""Placements of a nucleotide: conformers laid on the hinge, random torsions, refinement in torsion space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from scipy.optimize import minimize

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray
from dockkit.docking.molecule import embed
from dockkit.docking.nucleotide.contacts import contacts
from dockkit.docking.nucleotide.parts import ADENINE, Nucleotide
from dockkit.docking.nucleotide.site import Site
from dockkit.docking.restraints import Clashes, Restraint, Restraints, energy_and_gradient
from dockkit.docking.torsions import TorsionTree

N_CONFORMERS: Final = 6
"""Ring puckers and bond angles tried."""

ITERATIONS: Final = 120
"""Of each refinement, at most."""


@dataclass(frozen=True, slots=True)
class Placement:
    """One refined placement.

    Parameters
    ----------
    energy : float
        Of restraints and clashes, arbitrary units.
    coordinates : (n_atoms, 3) float
        Angstrom.
    arrangement : tuple of str
        Place of each metal.
    restraints : tuple of Restraint
        Contacts it was held by.
    """

    energy: float
    coordinates: FloatArray
    arrangement: tuple[str, ...]
    restraints: tuple[Restraint, ...]


def search(
    mol: Chem.Mol,
    parts: Nucleotide,
    site: Site,
    clashes: Clashes,
    arrangement: tuple[str, ...],
    seed: int,
    *,
    n_samples: int,
    n_starts: int,
) -> list[Placement]:
    """Return refined placements, best first.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit.
    parts : Nucleotide
    site : Site
    clashes : Clashes
        Of the ligand's heavy atoms with the site.
    arrangement : tuple of str
        Place of each metal, ``M1`` or ``M2``.
    seed : int
    n_samples, n_starts : int
        Random torsion sets, and how many of the best of them are refined.

    Returns
    -------
    list of Placement
        Empty where the nucleotide could not be given three dimensions.
    """
    wanted = contacts(site, parts, arrangement)
    prepared = Restraints(wanted)
    rng = np.random.default_rng(seed)
    trees = [_anchored_tree(mol, xyz, parts, site, arrangement) for xyz in conformers(mol, parts, seed)]
    found = []
    for k, (tree, start) in enumerate(_starts(trees, prepared, clashes, rng, n_samples)[:n_starts]):
        energy, xyz = refine(tree, start, parts.metals, prepared, clashes)
        found.append((energy, k, xyz))
    found.sort(key=lambda item: item[:2])
    return [Placement(energy, xyz, arrangement, tuple(wanted)) for energy, _, xyz in found]


def conformers(mol: Chem.Mol, parts: Nucleotide, seed: int) -> list[FloatArray]:
    """Return conformers of the nucleotide, minimised with damped charges; metals keep the record's coordinates.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
    parts : Nucleotide
    seed : int

    Returns
    -------
    list of (n_atoms, 3) float
        Angstrom.
    """
    fragments = Chem.GetMolFrags(mol)
    body = next(k for k, f in enumerate(fragments) if parts.atoms["N9"] in f)
    fragment = Chem.GetMolFrags(mol, asMols=True)[body]
    ids = embed(fragment, N_CONFORMERS, seed)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(fragment)
    if properties is not None:
        properties.SetMMFFDielectricConstant(80.0)
    result = []
    for conformer in ids:
        if properties is not None:
            rdForceFieldHelpers.MMFFGetMoleculeForceField(fragment, properties, confId=conformer).Minimize(maxIts=500)
        xyz = np.array(mol.GetConformer().GetPositions())
        xyz[list(fragments[body])] = fragment.GetConformer(conformer).GetPositions()
        result.append(xyz)
    return result


def _anchored_tree(
    mol: Chem.Mol, xyz: FloatArray, parts: Nucleotide, site: Site, arrangement: tuple[str, ...]
) -> TorsionTree:
    anchor = [parts.atoms[name] for name in ("N1", "N6", "C4")]
    rotation, shift = superposition(xyz[anchor], site.hinge_frame())
    placed = np.asarray(xyz @ rotation + shift)
    places = dict(zip(("M1", "M2"), site.metal_places(), strict=True))
    placed[list(parts.metals)] = [places[name] for name in arrangement]
    return TorsionTree(mol, placed, [parts.atoms[name] for name in ADENINE], parts.bonds)


def _starts(
    trees: Sequence[TorsionTree], restraints: Restraints, clashes: Clashes, rng: np.random.Generator, n_samples: int
) -> list[tuple[TorsionTree, FloatArray]]:
    """Return random torsion sets, (tree, variables) each, the best first."""
    scored = []
    for k in range(n_samples if trees else 0):
        tree = trees[k % len(trees)]
        variables = np.zeros(tree.n_variables)
        variables[3:6] = rng.normal(0.0, 0.1, 3)
        variables[6:] = rng.uniform(-np.pi, np.pi, tree.n_variables - 6)
        energy, _ = energy_and_gradient(restraints, clashes, tree.coordinates(variables), clashes.protein)
        scored.append((energy, k, tree, variables))
    scored.sort(key=lambda item: item[:2])
    return [(tree, variables) for _, _, tree, variables in scored]


def refine(
    tree: TorsionTree, start: FloatArray, metals: Sequence[int], restraints: Restraints, clashes: Clashes
) -> tuple[float, FloatArray]:
    """Minimise rigid body, torsions and metal positions together.

    Parameters
    ----------
    tree : TorsionTree
        Metals stand where its reference has them.
    start : (tree.n_variables,) float
    metals : sequence of int
    restraints : Restraints
    clashes : Clashes

    Returns
    -------
    energy : float
    coordinates : (n_atoms, 3) float
    """
    ions, n = list(metals), tree.n_variables

    def coordinates(x: FloatArray) -> FloatArray:
        xyz = tree.coordinates(x[:n])
        xyz[ions] = x[n:].reshape(-1, 3)
        return xyz

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        xyz = coordinates(x)
        energy, gradient = energy_and_gradient(restraints, clashes, xyz, clashes.protein)
        return energy, np.concatenate([tree.gradient(x[:n], xyz, gradient), gradient[ions].ravel()])

    first = np.concatenate([start, tree.reference[ions].ravel()])
    result = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return float(result.fun), coordinates(result.x)
