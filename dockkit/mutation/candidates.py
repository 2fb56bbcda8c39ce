"""Candidate conformers of one side chain: library rotamers laid on the main chain, sampled about their means."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.geometry import (
    angle_difference,
    dihedral,
    superposition,
    template_chis,
    template_rotamers,
    unit_vector,
)
from dockkit.core.model import FloatArray, Receptor, StrArray
from dockkit.core.residues import BACKBONE, ResidueTemplate, RotamerSet, residue_templates
from dockkit.core.rotamers import BINNED, backbone_rotamers
from dockkit.core.units import thermal_energy

LIBRARY_WEIGHT: Final = 1.35
"""Weight of the library's RT ln p against contacts."""

OWN_BONUS: Final = 2.0
"""What the side chain seen in the input is preferred by, kcal/mol: it fitted the electron density, which says more than
the library's odds, so it carries no strain either."""

FAR: Final = 3.5
"""A deviation from a rotamer's mean counts at most this many standard deviations per angle."""

RARE: Final = 1e-4
"""Rotamers below this probability are not tried where an amino acid has more than MANY of them."""

MANY: Final = 30

SYMMETRIC: Final = frozenset({"ASP", "GLU", "PHE", "TYR"})
"""Residues whose last chi angle repeats after 180 degrees."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The main chain that a side chain is built on.

    Parameters
    ----------
    atoms : dict of str to (3,) float
        Main-chain atoms, CB where the input has one, Angstrom.
    phi, psi : float
        Degrees; nan where the residue has none.
    """

    atoms: dict[str, FloatArray]
    phi: float
    psi: float


@dataclass(slots=True)
class Candidates:
    """Conformers of one residue.

    Parameters
    ----------
    residue : int
        Index in the receptor.
    template : ResidueTemplate
    chis : (k, n_chi) float
        Degrees.
    coordinates : (k, n_atoms, 3) float
        Every atom of the template, Angstrom; only those outside the main chain are used.
    strain : (k,) float
        -RT ln of the rotamer's probability relative to the commonest, and the distance from its mean, kcal/mol.
    probability : (k,) float
        Library probability of the nearest rotamer.
    own : (k,) bool
        The conformer seen in the input.
    energy : (k,) float
        strain and contacts with everything that does not move, kcal/mol.
    """

    residue: int
    template: ResidueTemplate
    chis: FloatArray
    coordinates: FloatArray
    strain: FloatArray
    probability: FloatArray
    own: np.ndarray
    energy: FloatArray

    def take(self, rows: np.ndarray) -> Candidates:
        """Return some of the conformers."""
        return Candidates(
            self.residue, self.template, self.chis[rows], self.coordinates[rows], self.strain[rows],
            self.probability[rows], self.own[rows], self.energy[rows],
        )  # fmt: skip


def side_rows(template: ResidueTemplate) -> np.ndarray:
    """Return the rows of the heavy atoms beyond the main chain, CB first."""
    return np.flatnonzero(~np.isin(template.atoms, sorted(BACKBONE)) & (template.elements != "H"))


def side_axes(template: ResidueTemplate, coordinates: FloatArray) -> FloatArray:
    """Return the direction of each side-chain heavy atom away from its heavy neighbours, (k, n_side, 3) float."""
    heavy = {str(atom) for atom in template.heavy}
    axes = []
    for row in side_rows(template):
        bonded = [template.index(n) for n in template.neighbours(str(template.atoms[row])) if n in heavy]
        axes.append(unit_vector(coordinates[:, [row]] - coordinates[:, bonded]).sum(axis=1))
    return unit_vector(np.stack(axes, axis=1))


def chi_strain(library: RotamerSet, chis: FloatArray, name: str) -> tuple[FloatArray, FloatArray]:
    """Return strain (k,) in kcal/mol and library probability (k,) of chi angles (k, n_chi).

    The density of the angles is the sum over rotamers of their probability times a Gaussian per angle (not normalised);
    the strain is ``LIBRARY_WEIGHT`` RT times -ln of it relative to the commonest rotamer. The probability is that of
    the rotamer that contributes most.
    """
    if library.chis.shape[1] == 0:
        return np.zeros(len(chis)), np.ones(len(chis))
    delta = angle_difference(chis[:, None], library.chis[None])
    if name in SYMMETRIC:
        delta[..., -1] = angle_difference(2 * chis[:, None, -1], 2 * library.chis[None, :, -1]) / 2
    reduced = np.minimum(np.abs(delta) / library.widths[None], FAR)
    share = library.probabilities[None] * np.exp(-0.5 * (reduced**2).sum(-1))
    cost = np.log(library.probabilities.max()) - np.log(share.sum(axis=1))
    return LIBRARY_WEIGHT * thermal_energy() * cost, library.probabilities[np.argmax(share, axis=1)]


def lay_on_frame(template: ResidueTemplate, local: FloatArray, frame: Frame) -> FloatArray:
    """Return conformers (k, n, 3), given in the template's frame, on a main chain: CA exactly, CB's direction next."""
    names = [name for name in ("CA", "CB", "N", "C") if name in frame.atoms and name in template.atoms]
    rows = [template.index(name) for name in names]
    target = np.array([frame.atoms[name] for name in names])
    weights = np.array([10.0, 5.0, 1.0, 1.0]) if "CB" in names else np.array([10.0, 1.0, 1.0])
    rotation, _ = superposition(local[0][rows], target, weights)
    return np.asarray((local - local[0][rows[0]]) @ rotation + target[0])


def _grid(library: RotamerSet, steps: tuple[float, ...], name: str) -> FloatArray:
    """Return chi angles to try: means and multiples of the widths on the first two angles that are rotameric."""
    n_chi = library.chis.shape[1]
    keep = library.probabilities >= (RARE if len(library.names) > MANY else 0.0)
    chis, widths = library.chis[keep], library.widths[keep]
    spread = min(n_chi - (name in BINNED), 2)
    blocks = []
    for combo in itertools.product(steps, repeat=spread):
        shift = np.zeros(n_chi)
        shift[:spread] = combo
        blocks.append(chis + shift * widths)
    return np.concatenate(blocks)


def conform(template: ResidueTemplate, chis: FloatArray, frame: Frame) -> FloatArray:
    """Return the coordinates (k, n_atoms, 3) of chi angles (k, n_chi) on a main chain."""
    return lay_on_frame(template, template_rotamers(template, chis), frame)


def library_candidates(residue: int, name: str, frame: Frame, steps: tuple[float, ...]) -> Candidates:
    """Return the rotamers of ``name`` on a main chain.

    Parameters
    ----------
    residue : int
        Index in the receptor.
    name : str
        Three-letter code; SEP, TPO and PTR too.
    frame : Frame
    steps : tuple of float
        Multiples of the standard deviation to take on chi1 and chi2, e.g. (0, -1, 1).

    Returns
    -------
    Candidates
        Energy not yet set (0). One conformer for Ala and Gly, the two ring puckers for Pro.
    """
    template = residue_templates()[name]
    library = backbone_rotamers(name, frame.phi, frame.psi)
    if name == "PRO":
        forms = np.stack([template.coordinates, *template.alternates])
        chis = np.stack([template_chis(template, form) for form in forms])
        xyz = np.concatenate([lay_on_frame(template, form[None], frame) for form in forms])
    else:
        chis = _grid(library, steps, name) if template.chis else np.zeros((1, 0))
        xyz = conform(template, chis, frame)
    strain, probability = chi_strain(library, chis, name)
    n = len(chis)
    return Candidates(residue, template, chis, xyz, strain, probability, np.zeros(n, dtype=bool), np.zeros(n))


def own_candidate(receptor: Receptor, residue: int) -> Candidates | None:
    """Return the conformer that stands in the receptor, as the only candidate; None where an atom is missing."""
    name = str(receptor.residue_names[residue])
    template = residue_templates()[name]
    atoms = residue_atoms(receptor, residue)
    if not all(str(atom) in atoms for atom in template.heavy):
        return None
    xyz = np.array([atoms.get(str(atom), np.full(3, np.nan)) for atom in template.atoms])
    chis = measured_chis(template, atoms)[None]
    frame = frame_of(receptor, residue)
    strain, probability = chi_strain(backbone_rotamers(name, frame.phi, frame.psi), chis, name)
    strain = np.full_like(strain, -OWN_BONUS)
    return Candidates(residue, template, chis, xyz[None], strain, probability, np.ones(1, dtype=bool), np.zeros(1))


def measured_chis(template: ResidueTemplate, atoms: dict[str, FloatArray]) -> FloatArray:
    """Return the chi angles of a residue, (n_chi,) float, degrees."""
    values = [float(dihedral(*(atoms[name] for name in chi.atoms))) for chi in template.chis]
    return np.array(values, dtype=np.float64)


def residue_atoms(receptor: Receptor, residue: int) -> dict[str, FloatArray]:
    """Return the coordinates of one residue's atoms by name."""
    rows = receptor.atom_indices(residue)
    return {str(receptor.atom_names[i]): receptor.coordinates[i] for i in rows}


def frame_of(receptor: Receptor, residue: int) -> Frame:
    """Return the main chain of a residue, with its CB and its phi and psi."""
    atoms = residue_atoms(receptor, residue)
    phi = psi = math.nan
    if (before := joined(receptor, residue - 1, residue)) and "C" in before:
        phi = float(dihedral(before["C"], atoms["N"], atoms["CA"], atoms["C"]))
    if (after := joined(receptor, residue + 1, residue)) and "N" in after:
        psi = float(dihedral(atoms["N"], atoms["CA"], atoms["C"], after["N"]))
    return Frame({name: atoms[name] for name in ("N", "CA", "C", "O", "CB") if name in atoms}, phi, psi)


def joined(receptor: Receptor, other: int, residue: int) -> dict[str, FloatArray]:
    """Return the atoms of a residue's neighbour in the chain, empty where a break or the end lies between."""
    if not 0 <= other < receptor.n_residues or receptor.segments[other] != receptor.segments[residue]:
        return {}
    return residue_atoms(receptor, other)


def merge(parts: list[Candidates]) -> Candidates:
    """Return the conformers of several lists of one residue as one list."""
    first = parts[0]
    return Candidates(
        first.residue, first.template,
        np.concatenate([p.chis for p in parts]), np.concatenate([p.coordinates for p in parts]),
        np.concatenate([p.strain for p in parts]), np.concatenate([p.probability for p in parts]),
        np.concatenate([p.own for p in parts]), np.concatenate([p.energy for p in parts]),
    )  # fmt: skip


def same_rotamer(name: str, a: FloatArray, b: FloatArray, tolerance: float = 40.0) -> bool:
    """Tell whether chi1 and chi2 of two conformers agree within ``tolerance`` degrees."""
    delta = np.abs(angle_difference(a, b))
    if name in SYMMETRIC and len(delta):
        delta[-1] = abs(float(angle_difference(2 * a[-1], 2 * b[-1]))) / 2
    return bool((delta[:2] <= tolerance).all())


def names_of(template: ResidueTemplate, rows: np.ndarray) -> tuple[StrArray, StrArray, StrArray]:
    """Return residue name, atom name and element of rows of a template, three (n,) str arrays."""
    return np.full(len(rows), template.name), template.atoms[rows], template.elements[rows]
