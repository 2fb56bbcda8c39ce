"""What a docking leaves: one ranked list, every pose in tables and files, a page, and where it all comes from."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.formats import write_complex_pdb, write_sdf
from dockkit.core.model import Ligand, Numbering
from dockkit.core.task import Task
from dockkit.docking.engines import engine_content, find_engine
from dockkit.pipeline.dock import DockPlan
from dockkit.pipeline.dock_page import docking_page, docking_views
from dockkit.pipeline.dock_rows import DockRow, number, pose_rows, receptor_file, summary_rows, yes
from dockkit.pipeline.dock_steps import DockedLigand, DockedPose, DockSite
from dockkit.report.docking import write_docking_page
from dockkit.store import Outcome, package_versions


def csv_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as CSV; the columns are those of any row, in the order in which they come."""
    columns: dict[str, None] = {}
    longest = sorted(rows, key=len, reverse=True)
    for row in longest:
        columns |= dict.fromkeys(row)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def write_docking(
    rows: Sequence[DockRow], plan: DockPlan, outcomes: Mapping[str, Outcome], out: Path
) -> list[tuple[str, Path]]:
    """Write tables, poses, receptors and complexes, and where they come from.

    Parameters
    ----------
    rows : sequence of DockRow
        From :func:`dockkit.pipeline.dock_rows.collect_rows`.
    plan : DockPlan
    outcomes : mapping of str to Outcome
    out : Path
        Folder; ``docking.html``, ``summary.csv``, ``poses.csv``, ``poses/``, ``receptors/``, ``complexes/`` and
        ``run.json`` go there.

    Returns
    -------
    list of (str, Path)
        What a user looks at first.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    try:
        for name in ("poses", "receptors", "complexes"):
            (out / name).mkdir(parents=True, exist_ok=True)
        written: set[str] = set()
        for row in rows:
            if row.result is not None and row.site is not None and row.ligand is not None:
                _write_row(row, row.result, row.site, row.ligand, plan, out, written)
        atomic_write_text(out / "summary.csv", csv_text(summary_rows(rows, plan)))
        atomic_write_text(out / "poses.csv", csv_text(pose_rows(rows, plan)))
        write_docking_page(out / "docking.html", docking_page(rows, plan), docking_views(rows, plan))
        atomic_write_text(out / "run.json", json.dumps(provenance(plan, outcomes), indent=2) + "\n")
    except OSError as error:
        raise store_error(Path(error.filename or out), error) from error
    names = (
        ("page", "docking.html"),
        ("table", "summary.csv"),
        ("poses", "poses.csv"),
        ("poses", "poses"),
        ("record", "run.json"),
    )
    return [(what, out / name) for what, name in names]


def _write_row(
    row: DockRow, result: DockedLigand, site: DockSite, ligand: Ligand, plan: DockPlan, out: Path, written: set[str]
) -> None:
    numbering: Numbering = plan.settings.numbering if site.kinase.gene else "author"
    properties = []
    for k, item in enumerate(result.poses):
        name = receptor_file(row, item)
        if name not in written:
            written.add(name)
            _write_pdb(out / name, row, item, None, numbering)
        crystal = {"rmsd_to_crystal_angstrom": number(row.rmsds[k], 2)} if row.rmsds else {}
        properties.append(
            {
                "structure": row.cell.structure.label,
                "kinase": row.kinase,
                "mutant": row.cell.mutant,
                "receptor_file": name,
                "engine": item.pose.engine,
                "pose": str(item.pose.rank),
                "chosen": yes(k == result.chosen),
                "score_kcal_mol": number(item.pose.score_kcal_mol),
                "cluster": str(item.cluster),
                "valid": yes(item.valid),
                "failed_checks": "; ".join(item.failed),
                **crystal,
                **{feature: number(value) for feature, value in item.pose.features},
                "smiles": ligand.smiles,
            }
        )
    named = ligand if row.cell.ligand.text else replace(ligand, name=row.ligand_label)
    write_sdf(out / "poses" / f"{row.stem}.sdf", named, [item.pose.coordinates for item in result.poses], properties)
    _write_pdb(out / "complexes" / f"{row.stem}.pdb", row, result.best, ligand, numbering)


def _write_pdb(path: Path, row: DockRow, item: DockedPose, ligand: Ligand | None, numbering: Numbering) -> None:
    assert row.site is not None
    blocks = [(ligand, item.pose.coordinates)] if ligand is not None else []
    write_complex_pdb(path, item.receptor(row.site.receptor), blocks, numbering)


def provenance(plan: DockPlan, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return what ``run.json`` holds: versions, settings, seeds, the hashes of the inputs, and every task."""
    structures = {cell.structure.label: cell.structure for cell in plan.cells}
    ligands = {cell.ligand.label: cell.ligand for cell in plan.cells if cell.ligand.text}
    engine = find_engine(plan.settings.docking.engine)
    settings = plan.settings.model_dump(mode="json")
    settings["docking"]["engine"] = engine.name
    return {
        "command": "redock" if plan.redock else "dock",
        "versions": dict(package_versions()) | _checks_version(),
        "engine": {"name": engine.name, "content": engine_content(plan.settings.docking.engine)},
        "platform": f"{platform.system()} {platform.machine()}",
        "seed": plan.settings.seed,
        "settings": settings,
        "inputs": {
            "structures": {
                label: {"given": Path(item.text).name, "sha256": item.content} for label, item in structures.items()
            },
            "ligands": {
                label: {"given": item.text if item.entry else Path(item.text).name, "sha256": item.content}
                for label, item in ligands.items()
            },
        },
        "warnings": list(plan.warnings),
        "tasks": [_task_record(task, outcomes[task.key]) for task in plan.tasks],
    }


def _checks_version() -> dict[str, str]:
    try:
        return {"posebusters": version("posebusters")}
    except PackageNotFoundError:
        return {}


def _task_record(task: Task, outcome: Outcome) -> dict[str, Any]:
    record: dict[str, Any] = {
        "key": task.key,
        "step": outcome.step,
        "label": outcome.label,
        "status": outcome.status,
        "seconds": outcome.seconds,
        "inputs": dict(task.inputs),
    }
    if "seed" in task.params:
        record["seed"] = task.params["seed"]
    if not outcome.ok:
        record |= {"error": outcome.error_type, "message": outcome.message}
    return record
