"""The page of a docking: what it says, and which complexes its 3-D view shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dockkit.docking.engines import find_engine
from dockkit.pipeline.dock import DockPlan
from dockkit.pipeline.dock_rows import DockRow, success_rate, summary_rows
from dockkit.report.docking import DockPage, DockView

DOCK_COLUMNS: Final = (
    ("rank", "rank"), ("structure", "structure"), ("kinase", "kinase"), ("dfg", "DFG"), ("mutant", "mutant"),
    ("ligand", "ligand"), ("score_kcal_mol", "score, kcal/mol"), ("pose", "pose"), ("cluster_size", "in its cluster"),
    ("valid", "valid"), ("best_conformation", "best conformation"), ("reason", "why"),
)  # fmt: skip

REDOCK_COLUMNS: Final = (
    ("structure", "structure"), ("kinase", "kinase"), ("ligand", "ligand"),
    ("rmsd_chosen_angstrom", "RMSD chosen, Å"), ("rmsd_top_score_angstrom", "top score, Å"),
    ("rmsd_best_angstrom", "best, Å"), ("success", "right"), ("score_kcal_mol", "score, kcal/mol"),
    ("valid", "valid"), ("reason", "why"),
)  # fmt: skip


def docking_page(rows: Sequence[DockRow], plan: DockPlan) -> DockPage:
    """Return what the page says of these rows."""
    settings = plan.settings
    engine = find_engine(settings.docking.engine)
    facts = [
        ("engine", f"{engine.name} {engine.version}".strip() + (f" ({engine.reference})" if engine.reference else "")),
        ("search", f"exhaustiveness {settings.docking.exhaustiveness}, {settings.docking.n_poses} poses at most"),
        ("seed", str(settings.seed)),
        ("box", "; ".join(dict.fromkeys(row.site.box.sentence for row in rows if row.site))),
        ("moving side chains", ", ".join(settings.flexible)),
        ("checks", "PoseBusters, for docked poses" if settings.checks else "none"),
        ("residues", "numbered as in UniProt" if settings.numbering == "uniprot" else "numbered as in the file"),
    ]
    notes = [*plan.warnings, *dict.fromkeys(n for row in rows if row.site for n in row.site.notes)]
    modelled = [row.site.receptor.name for row in rows if row.site and row.site.receptor.modelled]
    notes += [f"{name} is a modelled structure" for name in modelled]
    return DockPage(
        title=_title(rows, plan),
        headline=_headline(rows, plan),
        columns=REDOCK_COLUMNS if plan.redock else DOCK_COLUMNS,
        rows=tuple({"id": row.stem, **item} for row, item in zip(rows, summary_rows(rows, plan), strict=True)),
        notes=tuple(dict.fromkeys(notes)),
        facts=tuple((name, value) for name, value in facts if value),
        numbering=settings.numbering,
        redock=plan.redock,
    )


def _title(rows: Sequence[DockRow], plan: DockPlan) -> str:
    structures = list(dict.fromkeys(row.cell.structure.label for row in rows))
    ligands = list(dict.fromkeys(row.cell.ligand.label for row in rows))
    where = structures[0] if len(structures) == 1 else f"{len(structures)} structures"
    what = "The bound ligand" if plan.redock else ligands[0] if len(ligands) == 1 else f"{len(ligands)} ligands"
    return f"{what} in {where}"


def _headline(rows: Sequence[DockRow], plan: DockPlan) -> str:
    failed = sum(not row.ok for row in rows)
    told = f" {failed} of {len(rows)} failed." if failed else ""
    if plan.redock:
        chosen, top, best, count = success_rate(rows, plan)
        limit = plan.settings.success_angstrom
        return (
            f"Within {limit:g} A of the crystal: {chosen} of {count} by the chosen pose, {top} by the best score, "
            f"{best} by any pose.{told}"
        )
    best_row = next((row for row in rows if row.ok), None)
    if best_row is None:
        return f"Nothing could be docked.{told}"
    score = f"{best_row.score:.1f} kcal/mol" if math.isfinite(best_row.score) else "no score"
    return f"Best: {best_row.ligand_label} in {best_row.cell.structure.label} {best_row.cell.mutant}, {score}.{told}"


def docking_views(rows: Sequence[DockRow], plan: DockPlan) -> list[DockView]:
    """Return the chosen poses for the 3-D view, in the order of the rows."""
    views = []
    for row in rows:
        if row.result is None or row.site is None or row.ligand is None:
            continue
        best, reference = row.result.best, row.target.reference if row.target else None
        receptor = best.receptor(row.site.receptor)
        numbers = receptor.uniprot_numbers if plan.settings.numbering == "uniprot" else receptor.author_numbers
        sites = {site.number for site in row.cell.variant.substitutions}
        sites |= {int(numbers[r]) for r in receptor.atom_residue[best.moved].tolist()}
        heavy = reference.elements != "H" if reference is not None and plan.redock else None
        views.append(
            DockView(
                row.stem,
                f"{row.ligand_label} in {row.cell.structure.label}"
                + (f" {row.cell.mutant}" if not plan.redock else ""),
                row.site.kinase,
                receptor,
                row.ligand,
                best.pose.coordinates,
                tuple(sorted(sites)),
                reference.coordinates[heavy] if reference is not None and heavy is not None else None,
                reference.elements[heavy] if reference is not None and heavy is not None else None,
            )
        )
    return views
