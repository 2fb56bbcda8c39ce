"""Heavy atoms that a crystal lacks: carbonyl oxygens, side-chain ends, caps at termini and breaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import dihedral, place_atom, superposition, template_chis, template_rotamers, unit_vector
from dockkit.core.model import FloatArray
from dockkit.core.residues import ResidueTemplate, residue_templates, rotamers

CLASH_DISTANCE: Final = 3.2
"""Heavy atoms nearer than this that are not bonded count as a clash, Angstrom."""

PHI_SCAN: Final = (-65.0, -80.0, -100.0, -120.0, -140.0, -160.0, -50.0, 60.0)


@dataclass(slots=True)
class WorkResidue:
    """A residue while it is being repaired.

    Parameters
    ----------
    name, chain, icode : str
    number, uniprot, segment : int
        Author number, UniProt number (0 none), segment index.
    xyz : dict of str to (3,) float
        Atoms by name, Angstrom.
    absent : set of str
        Hydrogens its protonation state lacks.
    """

    name: str
    chain: str
    icode: str
    number: int
    uniprot: int
    segment: int
    xyz: dict[str, FloatArray]
    absent: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Such as ``LEU 298``."""
        return f"{self.name} {self.number}{self.icode}"


def heavy_cloud(residues: list[WorkResidue], without: tuple[int, ...] = ()) -> FloatArray:
    """Return the coordinates of all heavy atoms save those of some residues, (n, 3) float."""
    skip = set(without)
    points = [
        xyz
        for index, residue in enumerate(residues)
        if index not in skip
        for name, xyz in residue.xyz.items()
        if not name.startswith("H")
    ]
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def clash(points: FloatArray, cloud: FloatArray, limit: float = CLASH_DISTANCE) -> float:
    """Return the sum of squared overlaps below ``limit`` between points (n, 3) and the cloud (m, 3), Angstrom^2."""
    if len(cloud) == 0:
        return 0.0
    distances, _ = cKDTree(cloud).query(points, k=min(4, len(cloud)), distance_upper_bound=limit)
    gaps = limit - np.minimum(distances, limit)
    return float((gaps**2).sum())


def add_oxygen(residue: WorkResidue, following: WorkResidue | None) -> None:
    """Place a missing carbonyl oxygen opposite CA and the next nitrogen (or as in an extended strand)."""
    c, ca = residue.xyz["C"], residue.xyz["CA"]
    if following is not None:
        toward = unit_vector(ca - c) + unit_vector(following.xyz["N"] - c)
        residue.xyz["O"] = c - 1.23 * unit_vector(toward)
    else:
        residue.xyz["O"] = place_atom(residue.xyz["N"], ca, c, 1.23, 120.5, -45.0)


def _measured_chis(residue: WorkResidue, template: ResidueTemplate) -> list[float | None]:
    return [
        float(dihedral(*(residue.xyz[name] for name in chi.atoms)))
        if all(name in residue.xyz for name in chi.atoms)
        else None
        for chi in template.chis
    ]


def add_side_chain(residue: WorkResidue, cloud: FloatArray) -> None:
    """Build the missing side-chain atoms in the library rotamer that clashes least, keeping every atom that is there.

    Parameters
    ----------
    residue : WorkResidue
        With N, CA, C, O; changed in place.
    cloud : (n, 3) float
        Heavy atoms of everything else.
    """
    template = residue_templates()[residue.name]
    library = rotamers(residue.name)
    measured = _measured_chis(residue, template)
    chis = library.chis.copy() if template.chis else np.zeros((1, 0))
    for column, value in enumerate(measured):
        if value is not None:
            chis[:, column] = value
    if residue.name == "PRO":
        chis = template_chis(template)[None]
    missing = [str(name) for name in template.heavy if name not in residue.xyz]
    present = [str(name) for name in template.heavy if name in residue.xyz and name != "O"]
    anchors = present[-4:] if len(present) > 4 else present
    rows, wanted = [template.index(name) for name in anchors], [template.index(name) for name in missing]
    target = np.array([residue.xyz[name] for name in anchors])
    best: tuple[float, FloatArray] | None = None
    for model, probability in zip(template_rotamers(template, chis), library.probabilities, strict=False):
        rotation, shift = superposition(model[rows], target)
        points = model[wanted] @ rotation + shift
        score = clash(points, cloud) - 0.3 * float(np.log(probability))
        if best is None or score < best[0] - 1e-9:
            best = (score, points)
    assert best is not None
    residue.xyz.update(zip(missing, best[1], strict=True))


def cap_start(residue: WorkResidue, cloud: FloatArray) -> WorkResidue:
    """Return an acetyl group before ``residue``, turned to clash least with ``cloud`` (n, 3)."""
    n, ca, c = residue.xyz["N"], residue.xyz["CA"], residue.xyz["C"]
    best: tuple[float, dict[str, FloatArray]] | None = None
    scan: tuple[float, ...] = PHI_SCAN
    if residue.name == "PRO":
        away = n - 1.335 * unit_vector(unit_vector(ca - n) + unit_vector(residue.xyz["CD"] - n))
        scan = (float(dihedral(away, n, ca, c)),)
    for rank, phi in enumerate(scan):
        carbonyl = place_atom(c, ca, n, 1.335, 121.9, phi)
        atoms = {
            "CH3": place_atom(ca, n, carbonyl, 1.522, 116.6, 180.0),
            "C": carbonyl,
            "O": place_atom(ca, n, carbonyl, 1.229, 122.9, 0.0),
        }
        score = clash(np.array(list(atoms.values())), cloud) + 0.02 * rank
        if best is None or score < best[0]:
            best = (score, atoms)
    assert best is not None
    return WorkResidue("ACE", residue.chain, "", residue.number - 1, 0, residue.segment, best[1])


def cap_end(residue: WorkResidue, cloud: FloatArray) -> WorkResidue:
    """Return an N-methyl amide after ``residue``; its carbonyl is turned (psi) where the crystal's own would clash.

    ``residue`` changes (its O moves) only in that case.
    """
    ca, c, own = residue.xyz["CA"], residue.xyz["C"], residue.xyz["O"]
    here = float(dihedral(residue.xyz["N"], ca, c, own))
    best: tuple[float, FloatArray, dict[str, FloatArray]] | None = None
    for rank, turn in enumerate((0.0, 20.0, -20.0, 40.0, -40.0, 70.0, -70.0, 100.0, -100.0, 140.0, -140.0, 180.0)):
        oxygen = own if turn == 0.0 else place_atom(residue.xyz["N"], ca, c, 1.229, 120.5, here + turn)
        nitrogen = place_atom(oxygen, ca, c, 1.335, 116.6, 180.0)
        atoms = {"N": nitrogen, "C": place_atom(ca, c, nitrogen, 1.449, 121.9, 180.0)}
        moved = [*atoms.values(), oxygen]
        score = clash(np.array(moved), cloud) + 0.05 * rank
        if best is None or score < best[0]:
            best = (score, oxygen, atoms)
    assert best is not None
    residue.xyz["O"] = best[1]
    return WorkResidue("NME", residue.chain, "", residue.number + 1, 0, residue.segment, best[2])
