"""AutoDock Vina through its Python package, the ligand prepared by Meeko.

Rings of seven or more atoms in a macrocycle are opened and closed again by Meeko's glue atoms (its default),
so macrocycles are flexible. Smaller rings, amides and esters keep the shape they start with, and the runs of the search
are shared among conformers that differ in it (:mod:`dockkit.docking.starts`).

References
----------
Trott, Olson, J. Comput. Chem. 2010, 31, 455; Eberhardt et al., J. Chem. Inf. Model. 2021, 61, 3891.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from meeko import MoleculePreparation, PDBQTWriterLegacy
from rdkit import Chem
from vina import Vina

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, IntArray, Ligand, Pose, Receptor
from dockkit.core.settings import DockingSettings
from dockkit.docking.merge import MIN_POSE_RMSD, merge_poses
from dockkit.docking.molecule import ligand_mol, rebuild_hydrogens
from dockkit.docking.receptor import receptor_pdbqt
from dockkit.docking.starts import STIFF_BOND, starting_conformers

MAX_TORSIONS: Final = 32
"""More torsions than this cannot be searched by Vina in reasonable time (AutoDock's own limit)."""

MAX_STARTS: Final = 3
"""Conformers that share the runs of a search."""

RUNS_PER_EXHAUSTIVENESS: Final = 3
EVALUATIONS_PER_RUN: Final = 150_000
"""Many short Monte Carlo runs instead of few long ones (Vina's own: about 2 million evaluations): for imatinib,
nilotinib and dasatinib in ABL1 a pose within 2 A of the crystal took 8-24 s of one core instead of 20-105 s."""

BOX_MARGIN: Final = 5.0
"""Angstrom around given poses for the local search; Vina ends the process when an atom starts outside its grid."""

VINA_ELEMENTS: Final = {1, 6, 7, 8, 9, 14, 15, 16, 17, 35, 53}
"""Elements a ligand may have in Vina's scoring function."""


def dock(
    receptor: Receptor,
    ligand: Ligand,
    box_center: Sequence[float],
    box_size: Sequence[float],
    settings: DockingSettings,
    seed: int,
    cpu: int,
) -> tuple[Pose, ...]:
    """Dock one ligand with AutoDock Vina.

    Parameters
    ----------
    receptor : Receptor
        Rigid; all hydrogens present.
    ligand : Ligand
        Bond lengths and angles are kept as in the record or a conformer cleaned up like it.
    box_center, box_size : three floats
        Search box, Angstrom.
    settings : DockingSettings
        Exhaustiveness, number of poses and energy range.
    seed : int
        The same seed gives the same poses, whatever the number of cores.
    cpu : int
        Threads.

    Returns
    -------
    tuple of Pose
        Best score first, at least one; all atoms of the ligand in its order, hydrogens included.

    Raises
    ------
    DockingError
        The ligand cannot be docked, the box misses the receptor, or no pose was found.
    """
    center, size = _check_box(receptor, box_center, box_size)
    runs = settings.exhaustiveness * RUNS_PER_EXHAUSTIVENESS
    starts = starting_conformers(ligand_mol(ligand), seed, min(MAX_STARTS, runs))
    engine: Vina | None = None
    poses: list[Pose] = []
    try:
        for k, start in enumerate(starts):
            pdbqt, atom_of_serial = ligand_pdbqt(start, ligand.name)
            if engine is None:
                engine = _engine(receptor, seed, cpu)
                engine.set_ligand_from_string(pdbqt)
                engine.compute_vina_maps(center=center, box_size=size)
            else:
                engine.set_ligand_from_string(pdbqt)
            engine.dock(
                exhaustiveness=len(range(k, runs, len(starts))),
                n_poses=settings.n_poses,
                min_rmsd=MIN_POSE_RMSD,
                max_evals=EVALUATIONS_PER_RUN,
            )
            text = engine.poses(n_poses=settings.n_poses, energy_range=settings.energy_range_kcal_mol)
            for score, placed, known in read_poses(text, atom_of_serial, ligand.n_atoms):
                coordinates = rebuild_hydrogens(start, placed, known)
                poses.append(Pose(ligand.name, receptor.name, coordinates, engine="vina", score=score))
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise DockingError(f"{ligand.name} in {receptor.name}: Vina failed ({error})") from error
    if not poses:
        raise DockingError(
            f"{ligand.name} in {receptor.name}: Vina found no pose; the box of {size} A may be too small or full"
        )
    return merge_poses(poses, ligand, settings)


def optimise(
    receptor: Receptor, ligand: Ligand, candidates: Sequence[FloatArray], seed: int, cpu: int
) -> tuple[Pose, ...]:
    """Optimise given poses with Vina's local search and score them.

    Parameters
    ----------
    receptor : Receptor
    ligand : Ligand
    candidates : sequence of (n_atoms, 3) float
        Starting coordinates, Angstrom.
    seed : int
    cpu : int

    Returns
    -------
    tuple of Pose
        In the order of ``candidates``; one that Vina cannot score is left out. The score takes the pose's own internal
        energy as that of the free ligand, where docking takes the best pose's; they differ by tenths of a kcal/mol.

    Raises
    ------
    DockingError
        As for :func:`dock`.
    """
    if not candidates:
        return ()
    mol = ligand_mol(ligand)
    corners = np.concatenate(list(candidates))
    low, high = corners.min(axis=0) - BOX_MARGIN, corners.max(axis=0) + BOX_MARGIN
    poses = []
    try:
        engine = _engine(receptor, seed, cpu)
        for k, candidate in enumerate(candidates):
            start = Chem.Mol(mol)
            start.GetConformer().SetPositions(np.array(candidate))
            pdbqt, atom_of_serial = ligand_pdbqt(start, ligand.name)
            engine.set_ligand_from_string(pdbqt)
            if k == 0:
                engine.compute_vina_maps(center=((low + high) / 2.0).tolist(), box_size=(high - low).tolist())
            score = float(engine.optimize()[0])
            (_, placed, known) = read_poses(_written_pose(engine, score), atom_of_serial, ligand.n_atoms)[0]
            coordinates = rebuild_hydrogens(start, placed, known)
            poses.append(Pose(ligand.name, receptor.name, coordinates, engine="vina", score=score, rank=k + 1))
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise DockingError(f"{ligand.name} in {receptor.name}: Vina failed ({error})") from error
    return tuple(poses)


def _engine(receptor: Receptor, seed: int, cpu: int) -> Vina:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor_pdbqt(receptor), encoding="ascii")
        # Vina takes seed 0 as "draw one".
        engine = Vina(sf_name="vina", cpu=cpu, seed=seed % (2**31 - 2) + 1, verbosity=0)
        engine.set_receptor(str(path))
    return engine


def _written_pose(engine: Vina, score: float) -> str:
    """Return Vina's current pose in the format of docked poses; its Python face gives it only as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pose.pdbqt"
        engine.write_pose(str(path), overwrite=True)
        return f"MODEL 1\nREMARK VINA RESULT: {score:.3f}\n" + path.read_text(encoding="ascii").replace("MODEL", "")


def _check_box(
    receptor: Receptor, box_center: Sequence[float], box_size: Sequence[float]
) -> tuple[list[float], list[float]]:
    center, size = np.asarray(box_center, dtype=np.float64), np.asarray(box_size, dtype=np.float64)
    if center.shape != (3,) or size.shape != (3,) or not np.isfinite([center, size]).all():
        raise DockingError(f"{receptor.name}: a search box is three centre and three size values in Angstrom")
    if (size < 5.0).any() or (size > 60.0).any():
        raise DockingError(f"{receptor.name}: search box {size.tolist()} A; each edge must be 5 to 60 A")
    inside = (np.abs(receptor.coordinates - center) <= size / 2.0).all(axis=1).sum()
    if inside < 20:
        raise DockingError(
            f"{receptor.name}: the search box around {np.round(center, 1).tolist()} holds {inside} receptor atoms; "
            "it misses the binding site. Give a box centre in the frame of this structure"
        )
    return center.tolist(), size.tolist()


def ligand_pdbqt(mol: Chem.Mol, name: str) -> tuple[str, dict[int, int]]:
    """Return the ligand as flexible PDBQT and the molecule's atom index of each PDBQT serial.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit, with a conformer.
    name : str
        For messages.

    Returns
    -------
    text : str
        PDBQT; hydrogens on carbon are merged.
    atom_of_serial : dict
        Serial (from 1) to atom index (from 0); glue atoms of macrocycles are left out.

    Raises
    ------
    DockingError
        More than one fragment, an element Vina lacks, or too many torsions.
    """
    if len(Chem.GetMolFrags(mol)) > 1:
        raise DockingError(f"{name}: several molecules in one ligand cannot be docked; dock them one at a time")
    odd = sorted({atom.GetSymbol() for atom in mol.GetAtoms() if atom.GetAtomicNum() not in VINA_ELEMENTS})
    if odd:
        raise DockingError(f"{name}: Vina has no parameters for {', '.join(odd)}; give a bound pose instead")
    try:
        preparation = MoleculePreparation(
            charge_model="zero", rigidify_bonds_smarts=[STIFF_BOND], rigidify_bonds_indices=[(0, 2)]
        )
        setups = preparation.prepare(mol)
        text, good, message = PDBQTWriterLegacy.write_string(setups[0], add_index_map=True, remove_smiles=True)
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        raise DockingError(f"{name}: Meeko could not prepare the ligand ({error})") from error
    if not good:
        raise DockingError(f"{name}: Meeko could not prepare the ligand ({message.strip()})")
    torsions = text.count("BRANCH") // 2
    if torsions > MAX_TORSIONS:
        raise DockingError(f"{name}: {torsions} rotatable bonds; docking is limited to {MAX_TORSIONS}")
    fields = [
        int(word) for line in text.splitlines() if line.startswith("REMARK INDEX MAP") for word in line.split()[3:]
    ]
    return text, {serial: index - 1 for index, serial in zip(fields[::2], fields[1::2], strict=True)}


def read_poses(text: str, atom_of_serial: dict[int, int], n_atoms: int) -> list[tuple[float, FloatArray, IntArray]]:
    """Read Vina's multi-model PDBQT.

    Parameters
    ----------
    text : str
        As ``Vina.poses`` returns it.
    atom_of_serial : dict
        PDBQT serial to atom index.
    n_atoms : int
        Atoms of the whole molecule.

    Returns
    -------
    list of (score, coordinates, known)
        kcal/mol; (n_atoms, 3) Angstrom, zero where unknown; indices that are known.

    Raises
    ------
    DockingError
        A model lacks an atom or a score.
    """
    models = []
    for block in text.split("MODEL")[1:]:
        coordinates = np.zeros((n_atoms, 3))
        known = []
        score = float("nan")
        for line in block.splitlines():
            if line.startswith("REMARK VINA RESULT:"):
                score = float(line.split()[3])
            elif line.startswith(("ATOM", "HETATM")) and int(line[6:11]) in atom_of_serial:
                index = atom_of_serial[int(line[6:11])]
                coordinates[index] = [float(line[start : start + 8]) for start in (30, 38, 46)]
                known.append(index)
        if len(known) != len(atom_of_serial) or not np.isfinite(score):
            raise DockingError("Vina's output lacks an atom or a score; this is a bug, please report it")
        models.append((score, coordinates, np.array(sorted(known), dtype=np.int64)))
    return models
