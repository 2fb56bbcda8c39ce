"""The rows of a docking: one ranked list over structures, mutants and ligands, and every pose of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dockkit.core.model import Ligand, Numbering
from dockkit.docking.clusters import Symmetry
from dockkit.pipeline.dock import DockCell, DockPlan
from dockkit.pipeline.dock_steps import DockedLigand, DockedPose, DockSite, PreparedTarget
from dockkit.report.notation import file_stem
from dockkit.store import Outcome, Store


@dataclass(frozen=True, slots=True)
class DockRow:
    """One ligand in one structure: its poses, or why there are none.

    Parameters
    ----------
    cell : DockCell
    stem : str
        For file names.
    message : str
        Why it failed; empty where there are poses.
    site : DockSite or None
    ligand : Ligand or None
    result : DockedLigand or None
    target : PreparedTarget or None
    rmsds : tuple of float
        Of each pose to the crystal, Angstrom; empty where the crystal is not known.
    rank : int
        In the whole list, from 1; 0 for a failure.
    best_conformation : bool
        No other structure of the same kinase and mutant holds the ligand better, by score; never without one.
    """

    cell: DockCell
    stem: str
    message: str
    site: DockSite | None = None
    ligand: Ligand | None = None
    result: DockedLigand | None = None
    target: PreparedTarget | None = None
    rmsds: tuple[float, ...] = ()
    rank: int = 0
    best_conformation: bool = False

    @property
    def ok(self) -> bool:
        """Whether there are poses."""
        return self.result is not None

    @property
    def kinase(self) -> str:
        """Gene or name of the kinase, empty where it is not known."""
        known = self.site or self.target
        return (known.kinase.gene or known.kinase.name) if known else ""

    @property
    def ligand_label(self) -> str:
        """Of the molecule; of a structure's own ligand what the structure calls it."""
        if self.cell.ligand.text or self.target is None or not self.target.reference_label:
            return self.cell.ligand.label
        name = self.ligand.name if self.ligand else ""
        own = self.target.reference_label
        return own if name in own else f"{name} ({own})"

    @property
    def score(self) -> float:
        """Engine's score of the chosen pose, kcal/mol; NaN for none."""
        return self.result.best.pose.score_kcal_mol if self.result else math.nan

    @property
    def chosen_rmsd(self) -> float:
        """Of the chosen pose to the crystal, Angstrom; NaN where not known."""
        return self.rmsds[self.result.chosen] if self.result and self.rmsds else math.nan


def collect_rows(plan: DockPlan, store: Store, outcomes: Mapping[str, Outcome]) -> tuple[DockRow, ...]:
    """Return one row for each cell: those with poses ranked, best score first, then the failures.

    Parameters
    ----------
    plan : DockPlan
    store : Store
    outcomes : mapping of str to Outcome
        How each task ended.

    Returns
    -------
    tuple of DockRow
        In a redocking the order of the structures is kept.
    """
    loaded: dict[str, Any] = {}

    def record(key: str) -> Any:
        if key not in loaded:
            loaded[key] = store.load(key) if outcomes[key].ok else None
        return loaded[key]

    rows: list[DockRow] = []
    stems: set[str] = set()
    for cell in plan.cells:
        stem = _distinct_stem(cell, stems)
        outcome = outcomes[cell.keys["poses"]]
        found = {role: record(cell.keys[role]) for role in ("structure", "site", "ligand", "poses")}
        row = DockRow(
            cell, stem, "" if outcome.ok else outcome.message, found["site"], found["ligand"], found["poses"],
            found["structure"],
        )  # fmt: skip
        rows.append(replace(row, rmsds=_rmsds(row)) if plan.redock and row.ok else row)
    if plan.redock:
        return tuple(rows)
    return rank_rows(rows)


def _distinct_stem(cell: DockCell, used: set[str]) -> str:
    parts = [cell.structure.label, cell.mutant] + ([cell.ligand.label] if cell.ligand.text else [])
    base = stem = file_stem(*parts)
    count = 1
    while stem.lower() in used:
        count += 1
        stem = f"{base}-{count}"
    used.add(stem.lower())
    return stem


def _rmsds(row: DockRow) -> tuple[float, ...]:
    assert row.ligand is not None
    assert row.result is not None
    if row.target is None or row.target.reference is None:
        return ()
    symmetry, crystal = Symmetry(row.ligand), row.target.reference.coordinates
    return tuple(symmetry.rmsd(item.pose.coordinates, crystal) for item in row.result.poses)


def rank_rows(rows: Iterable[DockRow]) -> tuple[DockRow, ...]:
    """Order by score, best first; one without score (ATP placed) comes behind them, failures last."""
    listed = list(rows)
    order = sorted(
        range(len(listed)),
        key=lambda k: (
            not listed[k].ok,
            math.isnan(listed[k].score),
            listed[k].score if math.isfinite(listed[k].score) else 0.0,
            k,
        ),
    )
    best: set[tuple[str, str, str]] = set()
    ranked = []
    for rank, k in enumerate(order, start=1):
        row = listed[k]
        key = (row.kinase, row.cell.mutant, row.cell.ligand.label)
        scored = row.ok and math.isfinite(row.score)
        ranked.append(replace(row, rank=rank if row.ok else 0, best_conformation=scored and key not in best))
        if scored:
            best.add(key)
    return tuple(ranked)


def number(value: float, digits: int = 3) -> str:
    """Return a number for a table, empty where it is not finite."""
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def yes(value: bool | None) -> str:
    """Return yes, no, or nothing where it is not known."""
    return "" if value is None else "yes" if value else "no"


def summary_rows(rows: Sequence[DockRow], plan: DockPlan) -> list[dict[str, str]]:
    """Return what ``summary.csv`` holds, one row for each ligand in each structure."""
    return [_redock_row(row, plan) if plan.redock else _summary_row(row) for row in rows]


def _common(row: DockRow) -> dict[str, str]:
    result = row.result
    best = result.best if result else None
    same = sum(item.cluster == best.cluster for item in result.poses) if result and best else 0
    return {
        "score_kcal_mol": number(row.score),
        "pose": str(best.pose.rank) if best else "",
        "n_poses": str(len(result.poses)) if result else "",
        "n_clusters": str(max(item.cluster for item in result.poses)) if result else "",
        "cluster_size": str(same) if result else "",
        "valid": yes(best.valid) if best else "",
        "failed_checks": "; ".join(best.failed) if best else "",
        "box": row.site.box.sentence if row.site else "",
        "notes": "; ".join(row.site.notes) if row.site else "",
        "reason": result.reason if result else row.message,
        "poses_file": f"poses/{row.stem}.sdf" if result else "",
        "complex_file": f"complexes/{row.stem}.pdb" if result else "",
    }


def _summary_row(row: DockRow) -> dict[str, str]:
    return {
        "rank": str(row.rank) if row.rank else "",
        "structure": row.cell.structure.label,
        "kinase": row.kinase,
        "dfg": row.site.receptor.conformation.dfg if row.site else "",
        "modelled": yes(row.site.receptor.modelled) if row.site else "",
        "mutant": row.cell.mutant,
        "ligand": row.ligand_label,
        "status": "ok" if row.ok else "failed",
        "best_conformation": yes(row.best_conformation) if math.isfinite(row.score) else "",
        **_common(row),
    }


def _redock_row(row: DockRow, plan: DockPlan) -> dict[str, str]:
    limit = plan.settings.success_angstrom
    known = bool(row.rmsds)
    return {
        "structure": row.cell.structure.label,
        "kinase": row.kinase,
        "ligand": row.ligand_label,
        "status": "ok" if row.ok else "failed",
        "rmsd_chosen_angstrom": number(row.chosen_rmsd, 2),
        "rmsd_top_score_angstrom": number(row.rmsds[0], 2) if known else "",
        "rmsd_best_angstrom": number(min(row.rmsds), 2) if known else "",
        "success": yes(row.chosen_rmsd <= limit) if known else "",
        **_common(row),
    }


def pose_rows(rows: Sequence[DockRow], plan: DockPlan) -> list[dict[str, str]]:
    """Return what ``poses.csv`` holds, one row for each pose and one for each failure."""
    return [found for row in rows for found in _pose_rows(row, plan)]


def _pose_rows(row: DockRow, plan: DockPlan) -> list[dict[str, str]]:
    head = {"structure": row.cell.structure.label, "kinase": row.kinase, "mutant": row.cell.mutant}
    head["ligand"] = row.ligand_label
    if row.result is None:
        return [{**head, "status": "failed", "reason": row.message}]
    found = []
    for k, item in enumerate(row.result.poses):
        pose = item.pose
        crystal = {"rmsd_to_crystal_angstrom": number(row.rmsds[k], 2)} if row.rmsds else {}
        found.append(
            {
                **head,
                "status": "ok",
                "pose": str(pose.rank),
                "chosen": yes(k == row.result.chosen),
                "engine": pose.engine,
                "score_kcal_mol": number(pose.score_kcal_mol),
                "cluster": str(item.cluster),
                "valid": yes(item.valid),
                "failed_checks": "; ".join(item.failed),
                **crystal,
                **{name: number(value) for name, value in pose.features},
                "moved_residues": moved_residues(row, item, plan.settings.numbering),
                "poses_file": f"poses/{row.stem}.sdf",
                "receptor_file": receptor_file(row, item),
                "reason": row.result.reason if k == row.result.chosen else "",
            }
        )
    return found


def receptor_file(row: DockRow, item: DockedPose) -> str:
    """Return the PDB file that a pose stands in."""
    if len(item.moved):
        return f"receptors/{row.stem}_pose{item.pose.rank}.pdb"
    return f"receptors/{file_stem(row.cell.structure.label, row.cell.mutant)}.pdb"


def moved_residues(row: DockRow, item: DockedPose, numbering: Numbering) -> str:
    """Return the residues whose side chains a pose moved, such as ``THR315 PHE317``."""
    if row.site is None or not len(item.moved):
        return ""
    receptor = row.site.receptor
    numbers = receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers
    return " ".join(
        f"{receptor.residue_names[r]}{numbers[r]}" for r in dict.fromkeys(receptor.atom_residue[item.moved].tolist())
    )


def success_rate(rows: Sequence[DockRow], plan: DockPlan) -> tuple[int, int, int, int]:
    """Return how many structures were redocked right by the chosen pose, the top score and any pose, and of how many.

    A structure that failed counts as not right.
    """
    limit = plan.settings.success_angstrom
    known = [row for row in rows if row.rmsds]
    return (
        sum(row.chosen_rmsd <= limit for row in known),
        sum(row.rmsds[0] <= limit for row in known),
        sum(min(row.rmsds) <= limit for row in known),
        len(rows),
    )
