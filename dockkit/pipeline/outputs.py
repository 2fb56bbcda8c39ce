"""Write the output folder of a finished study: structures, poses, trajectories, energies, report and provenance."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mdtraj.formats import DCDTrajectoryFile

from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.formats import write_complex_mmcif, write_complex_pdb, write_sdf
from dockkit.core.model import TERM_NAMES, FloatArray, Ligand, Receptor, RowDetail, StudyResult, Trajectory
from dockkit.pipeline.collect import load_detail
from dockkit.pipeline.plan import Plan
from dockkit.report import write_report
from dockkit.report.notation import row_stems
from dockkit.report.tables import write_energies
from dockkit.store import Outcome, Store, package_versions

DCD_HEADER_BYTES = 276
"""Of a DCD file without a unit cell, as the library writes it."""


def write_outputs(
    result: StudyResult, plan: Plan, store: Store, outcomes: Mapping[str, Outcome], out_dir: Path
) -> None:
    """Write everything that a finished study leaves for people and programs.

    Parameters
    ----------
    result : StudyResult
        As collected.
    plan : Plan
        The study as tasks.
    store : Store
        Where the trajectories are.
    outcomes : mapping of str to Outcome
        How each task ended.
    out_dir : Path
        ``structures/``, ``poses/``, ``trajectories/``, ``energies/``, ``figures/``, ``results.csv``, ``results.json``,
        ``report.html`` and ``run.json`` go here.

    Raises
    ------
    StoreError
        The disk is full or the folder may not be written.
    """
    details = (*result.rows, *result.atp)
    cells = {(cell.variant.label, cell.ligand.label): cell for cell in plan.cells}
    try:
        for name in ("structures", "poses", "trajectories", "energies", "figures"):
            (out_dir / name).mkdir(parents=True, exist_ok=True)
        for detail, stem in zip(details, row_stems(details), strict=True):
            cell = cells[(detail.row.mutation, detail.row.ligand)]
            if detail.mutant is None and cell.keys:  # dropped when the rows were collected, or never there
                detail = load_detail(cell, plan, store, outcomes)
                write_energies(replace(result, rows=(detail,), atp=()), out_dir)
            _write_structures(detail, stem, out_dir, result)
            _write_pose(detail, stem, out_dir)
            runs = [cell.keys[role] for role in ("dynamics_wild_type", "dynamics_mutant") if role in cell.keys]
            finished = [store.load(key) for key in runs if outcomes[key].ok]
            if detail.ligand is not None and finished:
                _write_trajectories(finished, detail.ligand, stem, out_dir, result)
        write_report(result, out_dir)
        atomic_write_text(out_dir / "run.json", json.dumps(provenance(result, plan, outcomes), indent=2) + "\n")
    except OSError as error:
        raise store_error(Path(error.filename or out_dir), error) from error


def _write_structures(detail: RowDetail, stem: str, out_dir: Path, result: StudyResult) -> None:
    for state in (detail.wild_type, detail.mutant):
        if state is not None and detail.ligand is not None:
            path = out_dir / "structures" / f"{stem}_{state.state}"
            _write_complex(path, state.receptor, detail.ligand, state.ligand_coordinates, result, with_mmcif=True)


def _write_complex(
    path: Path,
    receptor: Receptor,
    ligand: Ligand,
    coordinates: FloatArray,
    result: StudyResult,
    *,
    with_mmcif: bool,
) -> None:
    blocks = [(ligand, coordinates)]
    write_complex_pdb(path.with_name(f"{path.name}.pdb"), receptor, blocks, result.numbering)
    if with_mmcif:
        write_complex_mmcif(path.with_name(f"{path.name}.cif"), receptor, blocks, result.numbering)


def _write_pose(detail: RowDetail, stem: str, out_dir: Path) -> None:
    pose = detail.pose
    if pose is None or detail.ligand is None:
        return
    properties = {
        "engine": pose.engine,
        "score_kcal_mol": f"{pose.score_kcal_mol:.3f}",
        "rank": str(pose.rank),
        "receptor": pose.receptor,
        "reason": pose.reason,
        **{name: f"{value:.3f}" for name, value in pose.features},
    }
    write_sdf(out_dir / "poses" / f"{stem}.sdf", detail.ligand, [pose.coordinates], [properties])


def _write_trajectories(
    trajectories: list[Trajectory], ligand: Ligand, stem: str, out_dir: Path, result: StudyResult
) -> None:
    """Write each replica as DCD with one topology per state, and the energy terms of every frame as CSV."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(
        ["state", "replica", "time_ps", *(f"{name}_kcal_mol" for name in TERM_NAMES), "total_kcal_mol", "kelvin"]
    )
    for trajectory in trajectories:
        name = f"{stem}_{trajectory.state}"
        folder = out_dir / "trajectories"
        _write_complex(folder / name, trajectory.receptor, ligand, trajectory.ligand_start, result, with_mmcif=False)
        frames = np.concatenate([trajectory.receptor_coordinates, trajectory.ligand_coordinates], axis=2)
        for replica, xyz in enumerate(frames, start=1):
            _write_dcd(folder / f"{name}_replica{replica}.dcd", xyz)
            for frame, time in enumerate(trajectory.time_ps):
                terms = trajectory.terms[replica - 1, frame]
                kelvin = trajectory.temperature_kelvin[replica - 1, frame]
                numbers = [f"{value:.6f}" for value in (*terms, terms.sum())]
                table.writerow([trajectory.state, replica, f"{time:g}", *numbers, f"{kelvin:.2f}"])
    atomic_write_text(out_dir / "energies" / f"{stem}_frames.csv", buffer.getvalue())


def _write_dcd(path: Path, xyz: FloatArray) -> None:
    """Write (n_frames, n_atoms, 3) coordinates in Angstrom, aside and renamed.

    The library does not say when the disk fills, so the size is checked: a header, then three records of 4 n + 8 bytes
    for each frame.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with DCDTrajectoryFile(str(aside), "w", force_overwrite=True) as file:
            file.write(xyz.astype(np.float32))
        if aside.stat().st_size != DCD_HEADER_BYTES + len(xyz) * 3 * (4 * xyz.shape[1] + 8):
            raise OSError(errno.ENOSPC, "written short", str(path))
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def provenance(result: StudyResult, plan: Plan, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return what ``run.json`` holds: everything needed to say where the numbers come from.

    Parameters
    ----------
    result : StudyResult
        For its warnings.
    plan : Plan
        For the resolved settings, seeds and input hashes.
    outcomes : mapping of str to Outcome
        For the status, time, versions and platform of each task.

    Returns
    -------
    dict
        JSON-able; free of host names and absolute times, so that two equal runs give equal content but for seconds.
    """
    templates = {cell.template.label: cell.template for cell in plan.cells}
    ligands = {cell.ligand.label: cell.ligand for cell in plan.cells}
    return {
        "study": plan.study.name,
        "kinase": {"gene": plan.kinase.gene, "uniprot": plan.kinase.uniprot},
        "versions": dict(package_versions()),
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": plan.study.seed,
        "settings": plan.study.model_dump(mode="json"),
        "inputs": {
            "structures": {
                label: {"dfg": item.dfg, "modelled": item.modelled, "sha256": item.content}
                for label, item in templates.items()
            },
            "ligands": {
                label: {"given": Path(item.text).name if item.entry is None else item.text, "sha256": item.content}
                for label, item in ligands.items()
            },
        },
        "warnings": list(result.warnings),
        "tasks": [_task_record(task.key, task.step, task.params, task.inputs, outcomes) for task in plan.tasks],
    }


def _task_record(
    key: str, step: str, params: dict[str, Any], inputs: dict[str, str], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    outcome = outcomes[key]
    record: dict[str, Any] = {
        "key": key,
        "step": step,
        "label": outcome.label,
        "status": outcome.status,
        "seconds": outcome.seconds,
        "inputs": inputs,
    }
    if "seed" in params:
        record["seed"] = params["seed"]
    if not outcome.ok:
        record |= {"error": outcome.error_type, "message": outcome.message}
    if outcome.versions and outcome.versions != package_versions():
        record["versions"] = dict(outcome.versions)
    return record
