"""What ``dockkit md`` makes of its trajectories: rows for each replica, the comparison, how it was made."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dockkit.core.files import atomic_write_text
from dockkit.core.model import DynamicsLeg, DynamicsStudy, LegRole
from dockkit.core.settings import MdSettings
from dockkit.pipeline.dynamics_analysis import analyse_dynamics
from dockkit.pipeline.dynamics_plan import STATES, MdCell, file_stem
from dockkit.pipeline.plan import Plan
from dockkit.sampling import MdProgress, choose_platform, platform_warning, read_progress
from dockkit.sampling.platforms import GPU_PLATFORMS
from dockkit.store import Outcome, Store, package_versions

__all__ = ["MdProgress", "MdRow", "analyse_cells", "md_platform", "read_progress", "write_summary"]


@dataclass(frozen=True, slots=True)
class MdRow:
    """One replica of one state of a complex; a replica that failed says why and has NaN numbers."""

    mutation: str
    complex: str
    kind: str
    state: str
    replica: int
    structure: str
    preset: str
    waters: int = 0
    ions: int = 0
    particles: int = 0
    seed: int = 0
    frames: int = 0
    length_ps: float = float("nan")
    mean_kelvin: float = float("nan")
    sd_kelvin: float = float("nan")
    mean_potential_kcal_mol: float = float("nan")
    platform: str = ""
    status: str = "ok"
    message: str = ""


def write_summary(
    rows: Sequence[MdRow],
    planned: Plan,
    md: MdSettings,
    platform: str,
    outcomes: Mapping[str, Outcome],
    folder: Path,
) -> None:
    """Write ``replicas.csv`` and ``md.json``.

    Parameters
    ----------
    rows : sequence of MdRow
    planned : Plan
        For inputs, seeds and warnings.
    md : MdSettings
    platform : str
    outcomes : mapping of str to Outcome
    folder : Path

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([item.name for item in fields(MdRow)])
    for row in rows:
        table.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in asdict(row).values()])
    atomic_write_text(folder / "replicas.csv", buffer.getvalue())
    content = {
        "kinase": {"gene": planned.kinase.gene, "uniprot": planned.kinase.uniprot},
        "mutations": planned.study.mutations,
        "inhibitors": planned.study.inhibitors,
        "numbering": planned.study.numbering,
        "trajectory_numbering": "author",
        "seed": planned.study.seed,
        "md": md.model_dump(mode="json"),
        "platform": platform,
        "versions": dict(package_versions()),
        "warnings": list(planned.warnings),
        "tasks": [
            {"key": key, "label": done.label, "status": done.status, "seconds": done.seconds}
            for key, done in ((task.key, outcomes[task.key]) for task in planned.tasks)
        ],
    }
    atomic_write_text(folder / "md.json", json.dumps(content, indent=1) + "\n")


def md_platform(wanted: str) -> tuple[str, bool, str]:
    """Return the OpenMM platform that will be used, whether it is a graphics card, and a warning where one is missing.

    Raises
    ------
    SamplingError
        A platform was asked for that is not installed.
    """
    name = choose_platform(wanted).getName()
    return name, name in GPU_PLATFORMS, platform_warning(wanted)


_ROLES: Mapping[str, LegRole] = {"inhibitor": "inhibitor", "atp": "ATP", "apo": "apo"}


def analyse_cells(
    planned: Plan,
    cells: Sequence[MdCell],
    md: MdSettings,
    platform: str,
    store: Store,
    outcomes: Mapping[str, Outcome],
    folder: Path,
) -> tuple[DynamicsStudy, ...]:
    """Compare wild type and mutant of every mutation whose trajectories are there, and write what was found.

    Parameters
    ----------
    planned : Plan
    cells : sequence of MdCell
    md : MdSettings
    platform : str
    store : Store
        Holds the trajectories.
    outcomes : mapping of str to Outcome
    folder : Path
        Each mutation gets ``analysis/<mutation>`` there.

    Returns
    -------
    tuple of DynamicsStudy
        In the order of the mutations; those without any complex that has both states are left out.

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    labels = dict.fromkeys(cell.cell.variant.label for cell in cells)
    studies = []
    for label in labels:
        legs = [
            leg
            for cell in cells
            if cell.cell.variant.label == label and (leg := _leg(cell, store, outcomes)) is not None
        ]
        if legs:
            facts = (
                ("sampling", f"{md.preset}, {md.replicas} x {md.production_ps / 1000:g} ns per state"),
                ("seed", str(planned.study.seed)),
                ("platform", f"OpenMM {platform}"),
                *package_versions(),
            )
            place = folder / "analysis" / file_stem(label)
            studies.append(
                analyse_dynamics(
                    legs, label, planned.kinase, place, numbering=planned.study.numbering, facts=facts,
                )
            )  # fmt: skip
    return tuple(studies)


def _leg(cell: MdCell, store: Store, outcomes: Mapping[str, Outcome]) -> DynamicsLeg | None:
    """Return both states of a complex, None where one failed."""
    keys = [cell.trajectories[state] for state in STATES]
    if not all(outcomes[key].ok for key in keys):
        return None
    wild_type, mutant = (store.load(key) for key in keys)
    ligand = None if cell.kind == "apo" else store.load(cell.cell.keys["ligand"])
    return DynamicsLeg(_ROLES[cell.kind], wild_type, mutant, ligand)
