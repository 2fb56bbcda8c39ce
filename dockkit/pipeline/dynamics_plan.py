"""The tasks of ``dockkit md``: the plan of a study without dynamics, and for each complex and state its simulation."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dockkit.core.model import StateName
from dockkit.core.settings import MdSettings
from dockkit.core.task import Step, Task, make_task
from dockkit.pipeline.dynamics import REPLICA_ROLE
from dockkit.pipeline.plan import Cell, Plan, derive_seed

STATES: tuple[StateName, StateName] = ("wild-type", "mutant")


@dataclass(frozen=True, slots=True)
class MdCell:
    """One mutation with one ligand, ATP, or nothing bound: what is simulated of it as wild type and mutant.

    Parameters
    ----------
    cell : Cell
        The complex; of apo the one that the ligand was taken out of.
    kind : {"inhibitor", "atp", "apo"}
    label : str
        For people and file names.
    trajectories, starts : dict of str to str
        Keys of the tasks by state.
    replicas : dict of str to list of str
        The same of every replica.
    stems : dict of str to str
        Names of the trajectory files by state.
    """

    cell: Cell
    kind: Literal["inhibitor", "atp", "apo"]
    label: str
    trajectories: dict[str, str] = field(default_factory=dict)
    starts: dict[str, str] = field(default_factory=dict)
    replicas: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)


def plan_dynamics(
    planned: Plan, md: MdSettings, folder: Path, steps: Mapping[str, Step], *, apo: bool
) -> tuple[Plan, tuple[MdCell, ...]]:
    """Add the simulations to a plan.

    Parameters
    ----------
    planned : Plan
        Of a study without dynamics.
    md : MdSettings
        The same for every simulation.
    folder : Path
        Where simulations live from run to run.
    steps : mapping of str to Step
        With those of dynamics.
    apo : bool
        Simulate the protein without a ligand too, taken out of the first inhibitor's complex.

    Returns
    -------
    plan : Plan
        All tasks, the simulations after what they need.
    cells : tuple of MdCell
        In the plan's order; apo after the complexes of its mutation.
    """
    tasks: dict[str, Task] = {task.key: task for task in planned.tasks}
    cells: list[MdCell] = []
    for position, cell in enumerate(planned.cells):
        kind: Literal["inhibitor", "atp"] = "atp" if cell.is_atp else "inhibitor"
        cells.append(_simulate(planned, md, folder, steps, cell, MdCell(cell, kind, cell.ligand.label), tasks))
        last = position + 1 == len(planned.cells) or planned.cells[position + 1].variant != cell.variant
        if apo and last:
            holo = next(item for item in planned.cells if item.variant == cell.variant)
            cells.append(_simulate(planned, md, folder, steps, holo, MdCell(holo, "apo", "apo"), tasks))
    return replace(planned, tasks=tuple(tasks.values())), tuple(cells)


def _simulate(
    planned: Plan,
    md: MdSettings,
    folder: Path,
    steps: Mapping[str, Step],
    cell: Cell,
    made: MdCell,
    tasks: dict[str, Task],
) -> MdCell:
    study = planned.study

    def add(step: str, params: dict[str, Any], inputs: dict[str, str], label: str) -> str:
        task = make_task(steps, step, params, inputs, label)
        tasks.setdefault(task.key, task)
        return task.key

    for state in STATES:
        what = f"{state} dynamics of {made.label}, {cell.variant.label}"
        inputs = {
            "complex": cell.keys[state.replace("-", "_")],
            **{role: cell.keys[role] for role in ("start", "ligand", "parameters")},
        }
        params: dict[str, Any] = {
            "md": md.model_dump(mode="json"),
            "seed": derive_seed(study.seed, "dynamics", cell.variant.label, made.label),
            "state": state,
            "variant": cell.variant.label,
            "numbering": study.numbering,
            "apo": made.kind == "apo",
            "folder": str(folder),
            "label": f"{made.label} {cell.variant.label} {state}",
        }
        of_start = {**params, "md": _without_length(params["md"])}
        made.starts[state] = box = add("md-start", of_start, inputs, f"start of {what}")
        inputs = {**inputs, "box": box}
        made.replicas[state] = [
            add("md-replica", {**params, "replica": number}, inputs, f"{what}, replica {number + 1}")
            for number in range(md.replicas)
        ]
        made.stems[state] = file_stem(cell.variant.label, made.label, state)
        waits = {f"{REPLICA_ROLE}{number}": key for number, key in enumerate(made.replicas[state])}
        gathered = {**params, "energy": study.energy.model_dump(mode="json"), "stem": made.stems[state]}
        made.trajectories[state] = add("md", gathered, {**inputs, **waits}, what)
    return made


def _without_length(md: dict[str, Any]) -> dict[str, Any]:
    """Return settings that are the same for any length and number of replicas, so that an extension starts alike."""
    bare = MdSettings()
    neutral = {name: getattr(bare, name) for name in ("replicas", "production_ps", "equilibration_ps", "segment_ps")}
    return {**md, **neutral}


def file_stem(*parts: str) -> str:
    """Return a file name of letters, digits, dots and dashes."""
    text = "_".join(parts)
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in text)


def clear_simulations(folder: Path) -> None:
    """Remove the segments of every simulation in a folder, and nothing else that lies there.

    Parameters
    ----------
    folder : Path
        Where simulations live from run to run; need not exist.
    """
    for child in folder.glob("*/"):
        if re.fullmatch(r"[0-9a-f]{16}", child.name) and child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
