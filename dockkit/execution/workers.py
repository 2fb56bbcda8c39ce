"""Where tasks run: the choice of executor, its size and, for a batch system, the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from dockkit.core.errors import SettingsError
from dockkit.core.sites import SiteSettings
from dockkit.execution.cores import default_jobs

ExecutorName = Literal["auto", "inline", "local", "parsl"]


@dataclass(frozen=True, slots=True)
class Workers:
    """Where the tasks of a study run.

    Parameters
    ----------
    executor : {"auto", "inline", "local", "parsl"}
        In this process, in processes of this machine, or in jobs of a batch system; ``auto`` is ``inline`` for one
        process and ``local`` for more.
    jobs : int, optional
        Processes; default one per usable core. With ``parsl`` the most workers at a time; default what the site allows.
    site : SiteSettings, optional
        The batch system; ``parsl`` needs it.

    Raises
    ------
    SettingsError
        The parts do not go together.
    """

    executor: ExecutorName = "auto"
    jobs: int | None = None
    site: SiteSettings | None = None

    def __post_init__(self) -> None:
        if self.executor not in get_args(ExecutorName):
            raise SettingsError(f"executor '{self.executor}': give one of {', '.join(get_args(ExecutorName))}")
        if self.jobs is not None and self.jobs < 1:
            raise SettingsError(f"jobs is {self.jobs}; give 1 or more")
        if self.executor == "inline" and self.jobs not in (None, 1):
            raise SettingsError(f"executor 'inline' is one process, jobs is {self.jobs}; use 'local'")
        if self.executor == "parsl" and self.site is None:
            raise SettingsError("executor 'parsl' needs a site file (--site site.toml); see docs/hpc.md")
        if self.site is not None and self.executor not in ("auto", "parsl"):
            raise SettingsError(f"a site file goes with executor 'parsl', not '{self.executor}'")

    @property
    def kind(self) -> Literal["inline", "local", "parsl"]:
        """The executor with ``auto`` resolved."""
        if self.executor != "auto":
            return self.executor
        if self.site is not None:
            return "parsl"
        return "inline" if self.count == 1 else "local"

    @property
    def count(self) -> int:
        """How many tasks run at a time at most."""
        if self.site is not None:
            most = self.site.jobs * self.site.nodes * self.site.workers
            return most if self.jobs is None else min(self.jobs, most)
        if self.executor == "inline":
            return 1
        return default_jobs() if self.jobs is None else self.jobs

    @property
    def in_words(self) -> str:
        """For people."""
        if self.kind == "inline":
            return "this process"
        if self.kind == "local" or self.site is None:
            return "1 process" if self.count == 1 else f"{self.count} processes"
        where = "this machine" if self.site.scheduler == "here" else self.site.scheduler
        return f"Parsl on {where}: up to {self.site.jobs} job(s), {self.count} workers of {self.site.threads} thread(s)"


def as_workers(jobs: int | Workers | None) -> Workers:
    """Return workers for what a caller gave: a number of processes, None for the default, or workers."""
    return jobs if isinstance(jobs, Workers) else Workers(jobs=jobs)
