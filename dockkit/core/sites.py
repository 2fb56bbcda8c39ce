"""Settings of a site: what a pilot job of its batch system asks for. A default lives here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from dockkit.core.settings import StrictSettings, read_toml, validated


class SiteSettings(StrictSettings):
    """A batch system: what one pilot job asks for, how many there are at a time, and what runs in them."""

    scheduler: Literal["slurm", "pbs", "lsf", "sge", "here"] = Field(
        description="'here': no jobs of its own, but the machine or the allocation that the driver runs in"
    )
    partition: str = Field("", description="partition of Slurm, queue of the others")
    account: str = Field("", description="account or project to charge")
    qos: str = ""
    constraint: str = ""
    walltime: str = Field("01:00:00", pattern=r"^\d{1,4}:[0-5]\d:[0-5]\d$", description="of one job, HH:MM:SS")
    grace: str = Field(
        "00:00:00", pattern=r"^\d{1,4}:[0-5]\d:[0-5]\d$", description="no task starts in a job's last HH:MM:SS"
    )
    jobs: int = Field(1, ge=1, le=1000, description="pilot jobs at a time")
    nodes: int = Field(1, ge=1, le=10000, description="nodes of one job")
    cores_per_node: int = Field(ge=1, le=4096)
    gpus_per_node: int = Field(0, ge=0, le=64)
    memory_gb_per_node: int = Field(0, ge=0, description="0 asks for nothing")
    workers_per_node: int = Field(0, ge=0, le=4096, description="0: one per GPU, or one per core where there is none")
    exclusive: bool = Field(False, description="whole nodes (Slurm)")
    parallel_environment: str = Field("", description="of Grid Engine, such as smp")
    worker_init: str = Field("", description="shell lines before the workers start, such as module load")
    extra: list[str] = Field(
        default=[], description="lines for the job script's head, such as '#SBATCH --mail-type=END'"
    )
    launcher: Literal["", "single", "srun", "mpiexec", "mpirun"] = Field(
        "", description="how workers start on the nodes of a job; '': single for one node, srun or mpiexec for more"
    )
    launcher_options: str = ""
    python: str = Field("", description="Python of the workers; '': the driver's own")
    address: str = Field(
        "", description="address of the driver's machine as compute nodes see it; '': every one is tried"
    )
    ports: tuple[int, int] = Field((54000, 55000), description="range of ports that the workers connect to")
    heartbeat_seconds: int = Field(15, ge=1, le=600, description="a node silent for four of these is lost")
    poll_seconds: int = Field(60, ge=1, le=3600, description="between two looks at the queue")

    @property
    def workers(self) -> int:
        """Workers on each node."""
        return self.workers_per_node or self.gpus_per_node or self.cores_per_node

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return max(1, self.cores_per_node // self.workers)

    @model_validator(mode="after")
    def _fits(self) -> SiteSettings:
        if self.gpus_per_node and self.workers > self.gpus_per_node:
            raise ValueError(
                f"workers_per_node is {self.workers}, gpus_per_node {self.gpus_per_node}: at most one worker has a GPU"
            )
        if self.workers > self.cores_per_node:
            raise ValueError(f"{self.workers} workers do not fit on {self.cores_per_node} cores (cores_per_node)")
        if duration_seconds(self.grace) >= duration_seconds(self.walltime):
            raise ValueError(f"grace {self.grace} leaves nothing of walltime {self.walltime}")
        if self.ports[0] >= self.ports[1]:
            raise ValueError(f"ports {list(self.ports)}: give the lowest and the highest")
        if self.scheduler in ("sge", "lsf") and self.nodes > 1:
            name = {"sge": "Grid Engine", "lsf": "LSF"}[self.scheduler]
            raise ValueError(f"a {name} job is one node here; ask for more with jobs")
        return self


def duration_seconds(text: str) -> int:
    """Return the seconds of ``HH:MM:SS``."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def load_site(path: str | Path) -> SiteSettings:
    """Read the settings of a batch system from a TOML file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    SiteSettings
        Checked.

    Raises
    ------
    SettingsError
        The file cannot be read, or a key is wrong; the message names the nearest valid one.
    """
    return validated(SiteSettings, read_toml(Path(path)), str(path))
