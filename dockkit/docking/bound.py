"""A pose that is already known: the input's own coordinates, or a bound ligand in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds
from scipy.spatial import cKDTree

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, Ligand, Pose, Receptor, StrArray
from dockkit.core.molecule import skeleton
from dockkit.docking.molecule import conformer_with_heavy_atoms, ligand_mol, same_stereo

CONTACT: Final = 4.5
"""Angstrom: a heavy atom this close to the protein touches it."""

MAX_MATCHES: Final = 24
"""Symmetric ways to lay the file's molecule on the record that are tried for the right stereo."""

MIN_TOUCHING: Final = 0.4
"""Smallest share of ligand heavy atoms that touch the protein in a bound pose."""

CLASH: Final = 1.9
"""Angstrom: heavy atoms closer than this overlap; a covalent bond is shorter than 1.9 A and not a pose either."""

METAL_CLASH: Final = 1.6
"""The same for a metal ion."""


def pose_from_input(receptor: Receptor, ligand: Ligand) -> Pose:
    """Return the ligand's own coordinates as its pose, after checking that they lie in the receptor.

    Parameters
    ----------
    receptor : Receptor
    ligand : Ligand
        ``pose_given`` must be true.

    Returns
    -------
    Pose
        engine ``bound``; no score.

    Raises
    ------
    DockingError
        The coordinates are no pose, lie outside the protein, or clash with it.
    """
    if not ligand.pose_given:
        raise DockingError(f"{ligand.name}: its coordinates are a free conformer, not a pose; dock it instead")
    return _checked_pose(receptor, ligand, np.array(ligand.coordinates), "taken from the input")


def pose_from_bound_file(receptor: Receptor, ligand: Ligand, sdf_path: Path) -> Pose:
    """Return the pose of a bound ligand in a file, mapped on the ligand record.

    Atoms are matched by element and connection; bond orders, charges and hydrogens of the file do not matter.

    Parameters
    ----------
    receptor : Receptor
        In the frame of the file.
    ligand : Ligand
        The same molecule.
    sdf_path : Path
        SDF or MOL with at least the heavy atoms.

    Returns
    -------
    Pose
        engine ``bound``; heavy atoms as in the file, hydrogens rebuilt from the record's geometry.

    Raises
    ------
    DockingError
        The file cannot be read, holds another molecule, or its pose does not fit the receptor.
    """
    path = Path(sdf_path)
    return _mapped_pose(receptor, ligand, _read_heavy(path), str(path), f"as bound in {path.name}")


def pose_from_group(
    receptor: Receptor, ligand: Ligand, elements: StrArray, coordinates: FloatArray, label: str
) -> Pose | None:
    """Return the pose of a bound group of a structure file, if it is this ligand.

    Parameters
    ----------
    receptor : Receptor
        In the frame of the group.
    ligand : Ligand
        The molecule looked for.
    elements : (n,) str
        Of the group's atoms; hydrogens do not matter.
    coordinates : (n, 3) float
        Angstrom.
    label : str
        Such as ``STI A:201``, for the reason.

    Returns
    -------
    Pose or None
        None where the group's heavy atoms are not those of the ligand.

    Raises
    ------
    DockingError
        The group is the ligand, but another stereoisomer, incomplete in its connections, or not in the pocket.
    """
    heavy = np.char.upper(elements) != "H"
    wanted = sorted(str(element) for element in ligand.elements if element != "H")
    if sorted(str(element).capitalize() for element in elements[heavy]) != wanted:
        return None
    lines = [f"{e} {x:.6f} {y:.6f} {z:.6f}" for e, (x, y, z) in zip(elements[heavy], coordinates[heavy], strict=True)]
    group = Chem.MolFromXYZBlock("\n".join([str(len(lines)), label, *lines]))
    rdDetermineBonds.DetermineConnectivity(group, useVdw=False)
    return _mapped_pose(receptor, ligand, group, label, f"as bound in the structure ({label})")


def _mapped_pose(receptor: Receptor, ligand: Ligand, crystal: Chem.Mol, where: str, reason: str) -> Pose:
    mol = ligand_mol(ligand)
    matches = _matches(mol, crystal)
    if not matches:
        raise DockingError(
            f"{where}: its molecule has other atoms or connections than {ligand.name} ({ligand.smiles}); "
            "give the SDF of this ligand"
        )
    source = np.array(crystal.GetConformer().GetPositions())
    for match in matches:
        coordinates = conformer_with_heavy_atoms(mol, {index: source[k] for k, index in enumerate(match)})
        if same_stereo(mol, coordinates):
            return _checked_pose(receptor, ligand, coordinates, reason)
    raise DockingError(f"{where}: its molecule is another stereoisomer than {ligand.name} ({ligand.smiles})")


def _read_heavy(path: Path) -> Chem.Mol:
    if not path.is_file():
        raise DockingError(f"{path}: no such file; the bound ligand cannot be read")
    with rdBase.BlockLogs():
        try:
            mol = Chem.MolFromMolFile(str(path), sanitize=False, removeHs=False)
        except (RuntimeError, OSError):
            mol = None
    if mol is None or mol.GetNumAtoms() == 0 or mol.GetNumConformers() == 0:
        raise DockingError(f"{path}: not a readable SDF or MOL file with coordinates")
    heavy = Chem.RWMol(mol)
    for index in sorted((a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() == 1), reverse=True):
        heavy.RemoveAtom(index)
    return heavy.GetMol()


def _matches(mol: Chem.Mol, crystal: Chem.Mol) -> list[tuple[int, ...]]:
    """Return ways to lay ``crystal`` on ``mol`` (index in ``mol`` of each heavy atom), best bond orders first."""
    plain, index = skeleton(mol)
    query, _ = skeleton(crystal)
    if plain.GetNumAtoms() != query.GetNumAtoms() or plain.GetNumBonds() != query.GetNumBonds():
        return []
    matches = plain.GetSubstructMatches(query, uniquify=False, maxMatches=256)
    order = {frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())): _order(b) for b in crystal.GetBonds()}

    def agreement(match: tuple[int, ...]) -> int:
        return sum(
            _order(mol.GetBondBetweenAtoms(*(index[match[k]] for k in pair))) == value for pair, value in order.items()
        )

    ranked = sorted(matches, key=agreement, reverse=True)
    return [tuple(index[k] for k in match) for match in ranked[:MAX_MATCHES]]


def _order(bond: Chem.Bond) -> float:
    return 1.5 if bond.GetIsAromatic() else float(bond.GetBondTypeAsDouble())


def _checked_pose(receptor: Receptor, ligand: Ligand, coordinates: FloatArray, origin: str) -> Pose:
    heavy = ligand.elements != "H"
    protein = receptor.coordinates[receptor.elements != "H"]
    distance, _ = cKDTree(protein).query(coordinates[heavy])
    touching = float((distance < CONTACT).mean())
    if touching < MIN_TOUCHING:
        raise DockingError(
            f"{ligand.name} in {receptor.name}: the given pose does not lie in the protein ({touching:.0%} of its "
            f"heavy atoms within {CONTACT} A, nearest {distance.min():.1f} A); give both in the same frame, or dock: "
            "give a SMILES instead of a 3-D file, or set docking.use_bound_pose = false in a study"
        )
    limit = np.where(np.isin(ligand.elements[heavy], ("Mg", "Mn", "Zn", "Ca")), METAL_CLASH, CLASH)
    if (distance < limit).any():
        raise DockingError(
            f"{ligand.name} in {receptor.name}: the given pose comes within {distance.min():.1f} A of the protein; "
            "it clashes or is bonded covalently. Give a pose of the reversible complex, or dock (set "
            "docking.use_bound_pose = false in a study)"
        )
    return Pose(
        ligand=ligand.name,
        receptor=receptor.name,
        coordinates=coordinates,
        engine="bound",
        features=(("contact_share", touching), ("nearest_distance", float(distance.min()))),
        reason=f"{origin}; {touching:.0%} of its heavy atoms touch the protein.",
    )
