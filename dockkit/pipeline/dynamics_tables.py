"""What ``dockkit md`` writes beside trajectories: a row for each replica, and where the numbers come from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dockkit.core.files import atomic_write_text
from dockkit.core.settings import MdSettings
from dockkit.pipeline.plan import Plan
from dockkit.store import Outcome, package_versions


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
