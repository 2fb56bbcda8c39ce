"""Tables and the page of a comparison of dynamics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dockkit.core.files import atomic_write_text
from dockkit.core.model import DynamicsComparison, DynamicsLeg, DynamicsStudy, Estimate, Kinase, Numbering, Observable
from dockkit.report.dynamics_figures import draw_dynamics_figures, leg_label
from dockkit.report.dynamics_page import render_dynamics
from dockkit.report.figures import write_figures
from dockkit.report.notation import file_stem
from dockkit.report.tables import csv_text

_DIFFERENCE = (
    "leg", "role", "quantity", "label", "unit", "wild_type", "wild_type_sem", "mutant", "mutant_sem", "change",
    "change_sem", "low_95", "high_95", "p_value", "called", "paired", "independent_sem", "paired_sem", "correlation",
    "control_change", "control_sem", "control_called", "discarded_ps_wild_type", "discarded_ps_mutant",
    "inefficiency_wild_type", "inefficiency_mutant", "effective_samples_wild_type", "effective_samples_mutant",
    "drift_wild_type", "drift_mutant",
)  # fmt: skip


def difference_row(leg: str, role: str, item: Observable) -> list[Any]:
    """Return one line of comparisons.csv."""
    d = item.difference
    return [
        leg, role, item.name, item.label, item.unit, d.wild_type.value, d.wild_type.sem, d.mutant.value, d.mutant.sem,
        d.change.value, d.change.sem, d.low, d.high, d.p_value, d.called, d.paired, d.independent_sem, d.paired_sem,
        d.correlation, d.control.value, d.control.sem, d.control_called, *d.discarded_ps, *d.inefficiency,
        d.wild_type.n, d.mutant.n, *d.drift,
    ]  # fmt: skip


def _residue_rows(comparison: DynamicsComparison) -> list[list[Any]]:
    return [
        [
            item.name, int(item.residues[k]), item.labels[k].item(), item.klifs[k].item(), item.kinds[k].item(),
            item.unit, item.wild_type[k], item.mutant[k], item.change[k], item.sem[k], item.p_values[k],
            item.q_values[k], bool(item.called[k]),
        ]
        for item in comparison.maps
        for k in range(len(item.residues))
    ]  # fmt: skip


def _series_rows(comparison: DynamicsComparison) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for state, name in (("wild-type", "wild_type"), ("mutant", "mutant")):
        arrays = [getattr(item, name) for item in comparison.observables]
        for replica in range(len(arrays[0]) if arrays else 0):
            for frame, time in enumerate(comparison.time_ps):
                rows.append([state, replica + 1, float(time), *(array[replica, frame] for array in arrays)])
    return rows


def _estimate(value: Estimate) -> dict[str, Any]:
    return {"kcal_mol": _number(value.value), "sem_kcal_mol": _number(value.sem), "replicas": value.n}


def _number(value: float) -> float | None:
    return float(value) if abs(float(value)) < float("inf") else None


def write_tables(study: DynamicsStudy, out_dir: Path) -> list[Path]:
    """Write comparisons.csv, residues and series of every leg, and dynamics.json.

    Parameters
    ----------
    study : DynamicsStudy
    out_dir : Path

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    rows = [difference_row(leg_label(c), c.role, item) for c in study.comparisons for item in c.observables]
    texts = {"comparisons.csv": csv_text(_DIFFERENCE, rows)}
    residue_header = (
        "quantity", "residue_number", "residue", "klifs", "kind", "unit", "wild_type", "mutant", "change", "sem",
        "p_value", "q_value", "called",
    )  # fmt: skip
    for comparison in study.comparisons:
        leg = leg_label(comparison)
        texts[f"{file_stem('residues', leg)}.csv"] = csv_text(residue_header, _residue_rows(comparison))
        header = ["state", "replica", "time_ps", *(item.name for item in comparison.observables)]
        texts[f"{file_stem('series', leg)}.csv"] = csv_text(header, _series_rows(comparison))
    texts["dynamics.json"] = json.dumps(_summary(study), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, text in texts.items():
        atomic_write_text(out_dir / name, text)
    return [out_dir / name for name in texts]


def _summary(study: DynamicsStudy) -> dict[str, Any]:
    return {
        "kinase": study.kinase,
        "variant": study.variant,
        "ddg_inhibitor": {name: _estimate(value) for name, value in study.inhibitors},
        "ddg_atp": _estimate(study.ddg_atp),
        "ddg_effective": {name: _estimate(value) for name, value in study.effective},
        "words": list(study.words),
        "legs": [
            {
                "leg": leg_label(c),
                "role": c.role,
                "length_ps": c.length_ps,
                "words": list(c.words),
                "notes": list(c.notes),
                "needed_ps": None if c.convergence is None else _number(c.convergence.needed_ps),
                "needed_replicas": None if c.convergence is None else c.convergence.needed_replicas,
            }
            for c in study.comparisons
        ],
    }


def write_dynamics(
    study: DynamicsStudy,
    legs: Sequence[DynamicsLeg],
    out_dir: Path,
    *,
    kinase: Kinase | None,
    numbering: Numbering,
    title: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write the tables, figures and page of a comparison of dynamics.

    Parameters
    ----------
    study : DynamicsStudy
    legs : sequence of DynamicsLeg
        In the order of ``study.comparisons``.
    out_dir : Path
        Output folder; made where it is missing.
    kinase : Kinase or None
    numbering : {"uniprot", "author"}
    title : str
    facts : sequence of (str, str)

    Returns
    -------
    Path
        ``dynamics.html``.

    Raises
    ------
    StoreError
        A file could not be written.
    """
    write_tables(study, out_dir)
    answer, of_legs = draw_dynamics_figures(study)
    write_figures({"answer": answer, "legs": [figure for drawn in of_legs for figure in drawn]}, out_dir)
    text = render_dynamics(study, legs, (answer, of_legs), kinase=kinase, numbering=numbering, title=title, facts=facts)
    page = out_dir / "dynamics.html"
    atomic_write_text(page, text)
    return page
