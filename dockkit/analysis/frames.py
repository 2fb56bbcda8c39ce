"""Trajectories laid on a common frame of reference, and the residues that both states share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, IntArray, Kinase, Ligand, Numbering, Receptor, StrArray, Trajectory
from dockkit.core.residues import amino_acids, is_polymer, one_letter
from dockkit.core.units import ANGSTROM_PER_NM

BACKBONE = ("N", "CA", "C", "O")
POCKET_ANGSTROM = 8.0
"""Residues with an atom this close to the ligand make the pocket where the kinase is not known."""

_MIN_REFERENCE_ATOMS = 12


@dataclass(frozen=True, slots=True)
class Sites:
    """Where the parts of a kinase are, UniProt numbers; empty or 0 where it has none or it is not known.

    Parameters
    ----------
    gatekeeper : int
    hinge : tuple of int
    pocket : tuple of int
        The 85 KLIFS positions, 0 for a gap.
    regions : tuple of str
        KLIFS region of each position.
    activation_loop : tuple of int
        DFG Asp to the Glu of APE.
    hrd : tuple of int
        His, Arg, Asp.
    tyrosine_kinase : bool
        The catalytic loop is that of a tyrosine kinase.
    """

    gatekeeper: int = 0
    hinge: tuple[int, ...] = ()
    pocket: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()
    activation_loop: tuple[int, ...] = ()
    hrd: tuple[int, ...] = ()
    tyrosine_kinase: bool = False

    def position(self, place: int) -> int:
        """Return the residue at a KLIFS position, counted from 1; 0 where there is none."""
        return self.pocket[place - 1] if len(self.pocket) >= place else 0

    def klifs(self, number: int) -> str:
        """Return the KLIFS position of a residue in words, such as ``hinge 48``; empty outside the pocket."""
        if not number or number not in self.pocket or len(self.regions) != len(self.pocket):
            return ""
        place = self.pocket.index(number)
        return f"{self.regions[place]} {place + 1}"


def sites_of(kinase: Kinase | None) -> Sites:
    """Return what the kinase record alone tells: gatekeeper, hinge and pocket."""
    if kinase is None or kinase.gatekeeper == 0:
        return Sites(pocket=kinase.pocket if kinase is not None else ())
    first = kinase.gatekeeper + 1
    return Sites(kinase.gatekeeper, tuple(range(first, first + 3)), kinase.pocket)


@dataclass(frozen=True, slots=True)
class Laid:
    """A trajectory in the frame of reference of the wild type's minimised structure.

    Parameters
    ----------
    trajectory : Trajectory
    ligand : Ligand or None
    protein : (n_replicas, n_frames, n_receptor_atoms, 3) float
        Angstrom.
    small : (n_replicas, n_frames, n_ligand_atoms, 3) float
        Angstrom; the ligand.
    waters : (n_replicas, n_frames, n_waters, 3, 3) float
        Bulk waters.
    protein_start, small_start : (n, 3) float
        The state's own minimised start.
    numbers : (n_residues,) int
        As reported to the user; 0 where a residue has none.
    uniprot : (n_residues,) int
    chain_residues : (n_residues,) bool
        Amino acids and caps, no waters or ions.
    mobile : (n_residues,) bool
    """

    trajectory: Trajectory
    ligand: Ligand | None
    protein: FloatArray
    small: FloatArray
    waters: FloatArray
    protein_start: FloatArray
    small_start: FloatArray
    numbers: IntArray
    uniprot: IntArray
    chain_residues: NDArray[np.bool_]
    mobile: NDArray[np.bool_]

    @property
    def receptor(self) -> Receptor:
        """Topology of the protein."""
        return self.trajectory.receptor

    @property
    def shape(self) -> tuple[int, int]:
        """Replicas and frames."""
        return self.protein.shape[0], self.protein.shape[1]

    def atoms(self, residue: int, names: Sequence[str] = ()) -> IntArray:
        """Return the atoms of a residue, those named where names are given."""
        mask = self.receptor.atom_residue == residue
        if names:
            mask &= np.isin(self.receptor.atom_names, names)
        return np.flatnonzero(mask)

    def atom(self, uniprot_number: int, name: str) -> int | None:
        """Return an atom of the residue with this UniProt number, None where there is none."""
        if not uniprot_number:
            return None
        residue = np.flatnonzero(self.uniprot == uniprot_number)
        if not len(residue):
            return None
        found = self.atoms(int(residue[0]), (name,))
        return int(found[0]) if len(found) else None


def _key(receptor: Receptor, residue: int) -> tuple[str, int, str, int]:
    return (
        str(receptor.chain_ids[residue]), int(receptor.author_numbers[residue]),
        str(receptor.insertion_codes[residue]), int(receptor.uniprot_numbers[residue]),
    )  # fmt: skip


def common_residues(first: Receptor, second: Receptor) -> tuple[IntArray, IntArray]:
    """Return the amino acids that both receptors have, in the order of the first, as indices into each."""
    place = {_key(second, r): r for r in np.flatnonzero(amino_acids(second.residue_names)).tolist()}
    pairs = [
        (r, place[key])
        for r in np.flatnonzero(amino_acids(first.residue_names)).tolist()
        if (key := _key(first, r)) in place
    ]
    a, b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return a, b


def common_atoms(
    first: Receptor, second: Receptor, residues: tuple[IntArray, IntArray], names: Sequence[str]
) -> tuple[IntArray, IntArray]:
    """Return the atoms of these names that both of each pair of residues have."""
    tables = []
    for receptor, chosen in zip((first, second), residues, strict=True):
        order = np.full(receptor.n_residues, -1, dtype=np.int64)
        order[chosen] = np.arange(len(chosen))
        atoms = np.flatnonzero(np.isin(receptor.atom_names, names) & (order[receptor.atom_residue] >= 0))
        tables.append({(int(order[receptor.atom_residue[i]]), str(receptor.atom_names[i])): int(i) for i in atoms})
    shared = sorted(tables[0].keys() & tables[1].keys(), key=lambda key: (key[0], names.index(key[1])))
    return tuple(np.array([table[key] for key in shared], dtype=np.int64) for table in tables)  # type: ignore[return-value]


def pocket_residues(trajectory: Trajectory, sites: Sites) -> NDArray[np.bool_]:
    """Return which residues make the pocket: the KLIFS positions, or what is near the ligand at the start.

    Returns
    -------
    (n_residues,) bool
        Every mobile amino acid where neither is known.
    """
    receptor = trajectory.receptor
    chain = amino_acids(receptor.residue_names)
    numbers = [number for number in sites.pocket if number]
    known = chain & np.isin(receptor.uniprot_numbers, numbers)
    if known.sum() >= _MIN_REFERENCE_ATOMS // len(BACKBONE):
        return np.asarray(known)
    near = np.zeros(receptor.n_residues, dtype=bool)
    if len(trajectory.ligand_start):
        gap = np.linalg.norm(receptor.coordinates[:, None] - trajectory.ligand_start[None], axis=-1).min(axis=1)
        near[receptor.atom_residue[gap <= POCKET_ANGSTROM]] = True
    else:
        near[trajectory.mobile_residues] = True
    return np.asarray(near & chain)


def superpose(frames: FloatArray, atoms: IntArray, reference: FloatArray) -> FloatArray:
    """Lay every frame on a reference by least squares.

    Parameters
    ----------
    frames : (n_replicas, n_frames, n_atoms, 3) float
        Angstrom.
    atoms : (m,) int
        Atoms that are laid on ``reference``.
    reference : (m, 3) float
        Angstrom.

    Returns
    -------
    (n_replicas, n_frames, n_atoms, 3) float
        Turned and shifted as whole frames; single precision inside.
    """
    flat = frames.reshape(-1, *frames.shape[2:])
    shift = flat[:, atoms].mean(axis=1, keepdims=True)
    centre = reference.mean(axis=0)
    moving = mdtraj.Trajectory((flat - shift) / ANGSTROM_PER_NM, None)
    target = np.zeros((1, flat.shape[1], 3))
    target[0, atoms] = (reference - centre) / ANGSTROM_PER_NM
    moving.superpose(mdtraj.Trajectory(target, None), 0, atom_indices=atoms, ref_atom_indices=atoms)
    return np.asarray(moving.xyz.astype(np.float64) * ANGSTROM_PER_NM + centre).reshape(frames.shape)


def lay_both(
    wild_type: Trajectory, mutant: Trajectory, ligand: Ligand | None, sites: Sites, numbering: Numbering
) -> tuple[Laid, Laid]:
    """Lay the frames of both states on the backbone of the wild type's minimised pocket.

    Parameters
    ----------
    wild_type, mutant : Trajectory
    ligand : Ligand or None
    sites : Sites
        Says which residues are the pocket.
    numbering : {"uniprot", "author"}
        Numbers of the residues as reported.

    Returns
    -------
    tuple of Laid
        Wild type, mutant.
    """
    pocket = pocket_residues(wild_type, sites)
    a, b = common_residues(wild_type.receptor, mutant.receptor)
    chosen = pocket[a] if pocket[a].sum() * len(BACKBONE) >= _MIN_REFERENCE_ATOMS else np.ones(len(a), dtype=bool)
    atoms = common_atoms(wild_type.receptor, mutant.receptor, (a[chosen], b[chosen]), BACKBONE)
    reference = wild_type.receptor.coordinates[atoms[0]]
    return (
        _lay(wild_type, ligand, atoms[0], reference, numbering),
        _lay(mutant, ligand, atoms[1], reference, numbering),
    )


def _lay(
    trajectory: Trajectory, ligand: Ligand | None, atoms: IntArray, reference: FloatArray, numbering: Numbering
) -> Laid:
    receptor = trajectory.receptor
    n, m = receptor.n_atoms, len(trajectory.ligand_start)
    waters = trajectory.water_coordinates
    shape = trajectory.receptor_coordinates.shape[:2]
    count = waters.shape[2] if waters.size else 0
    parts = [trajectory.receptor_coordinates, trajectory.ligand_coordinates, waters.reshape(*shape, count * 3, 3)]
    together = superpose(np.concatenate(parts, axis=2), atoms, reference)
    rotation, shift = superposition(receptor.coordinates[atoms], reference)
    mobile = np.zeros(receptor.n_residues, dtype=bool)
    mobile[trajectory.mobile_residues] = True
    return Laid(
        trajectory=trajectory,
        ligand=ligand,
        protein=together[:, :, :n],
        small=together[:, :, n : n + m],
        waters=together[:, :, n + m :].reshape(*shape, count, 3, 3),
        protein_start=receptor.coordinates @ rotation + shift,
        small_start=trajectory.ligand_start @ rotation + shift if m else trajectory.ligand_start,
        numbers=receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers,
        uniprot=receptor.uniprot_numbers,
        chain_residues=is_polymer(receptor.residue_names),
        mobile=mobile,
    )


def pair_labels(wild_type: Laid, mutant: Laid, residues: tuple[IntArray, IntArray]) -> StrArray:
    """Return labels of paired residues: ``M318``, or ``T315I`` where the states differ."""
    labels = []
    for a, b in zip(*residues, strict=True):
        old = one_letter(str(wild_type.receptor.residue_names[a]))
        new = one_letter(str(mutant.receptor.residue_names[b]))
        number = int(wild_type.numbers[a])
        name = f"{old}{number}" if number else str(wild_type.receptor.residue_names[a])
        labels.append(f"{name}{new if new != old else ''}")
    return np.array(labels, dtype=str)
