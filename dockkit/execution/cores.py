"""How many cores this process may use: never more than the batch system, the affinity and the container grant."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LOGIN_NODE_JOBS: Final = 2
"""Processes by default where a batch system is at hand but this is no job of it: others work on such a machine too."""

_JOB_VARIABLES: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "SGE_TASK_ID")
_SUBMIT_COMMANDS: Final = ("sbatch", "qsub", "bsub")


def batch_job(environment: Mapping[str, str] | None = None) -> str:
    """Return the batch job that this process belongs to, such as ``SLURM_JOB_ID=17``; '' outside one.

    Parameters
    ----------
    environment : mapping, optional
        Default that of the process.

    Returns
    -------
    str
        The same again when the batch system requeues the job.
    """
    environment = os.environ if environment is None else environment
    for name in _JOB_VARIABLES:
        if environment.get(name):
            value = environment.get("JOB_ID", "") if name == "SGE_TASK_ID" else environment[name]
            return f"{name}={value}" if value else ""
    return ""


def usable_cores() -> int:
    """Return how many cores this process may use: the least of the batch system's grant, the affinity and the quota."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    if grant := granted_cores(os.environ):
        limits.append(grant)
    if quota := _cgroup_cores(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")):
        limits.append(quota)
    return max(1, min(limits))


def default_jobs() -> int:
    """Return the number of processes where the user gives none: one per usable core, few on a login node."""
    cores = usable_cores()
    on_login_node = not batch_job() and any(shutil.which(command) for command in _SUBMIT_COMMANDS)
    return min(cores, LOGIN_NODE_JOBS) if on_login_node else cores


def granted_cores(environment: Mapping[str, str]) -> int:
    """Return the cores of this node that a batch system granted, 0 where none says.

    Slurm, PBS Pro, Torque, LSF and Grid Engine are asked, each through the variables it sets in a job.

    Parameters
    ----------
    environment : mapping of str to str
        Such as ``os.environ``.

    Returns
    -------
    int
        On this node, not in the whole job.
    """
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if count := _positive(environment.get(name, "")):
            return count
    if count := _positive(re.split(r"[(,]", environment.get("SLURM_JOB_CPUS_PER_NODE", ""))[0]):
        return count
    if environment.get("PBS_JOBID"):
        for name in ("NCPUS", "PBS_NCPUS", "PBS_NUM_PPN"):
            if count := _positive(environment.get(name, "")):
                return count
        return _lines_of_this_host(environment.get("PBS_NODEFILE", ""))
    if environment.get("LSB_JOBID"):
        hosts = environment.get("LSB_MCPU_HOSTS", "").split()
        slots = {_short(host): _positive(count) for host, count in zip(hosts[::2], hosts[1::2], strict=False)}
        return slots.get(_this_host(), 0) or _positive(environment.get("LSB_DJOB_NUMPROC", ""))
    if environment.get("NSLOTS") and environment.get("JOB_ID"):
        return _slots_of_this_host(environment.get("PE_HOSTFILE", "")) or _positive(environment["NSLOTS"])
    return 0


def _positive(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _short(host: str) -> str:
    return host.split(".")[0]


def _this_host() -> str:
    return _short(platform.node())


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines() if path else []
    except OSError:
        return []


def _lines_of_this_host(node_file: str) -> int:
    """Return how often a PBS node file names this host: once for each core."""
    return sum(_short(line.strip()) == _this_host() for line in _lines(node_file))


def _slots_of_this_host(host_file: str) -> int:
    """Return the slots of this host in Grid Engine's host file, whose lines are ``host slots queue processors``."""
    rows = [line.split() for line in _lines(host_file)]
    return sum(_positive(row[1]) for row in rows if len(row) > 1 and _short(row[0]) == _this_host())


def _cgroup_cores(root: Path, membership: Path) -> int:
    """Return the whole cores of the tightest CPU quota of this process's control groups, 0 where there is none."""
    found = []
    for line in _lines(str(membership)):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        inner = path.strip("/")
        if not controllers:
            folders = [root, *(root / part for part in _ancestors(inner))]
            found += [_quota(*_words(folder / "cpu.max", 2)) for folder in folders]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                folders = [mount, *(mount / part for part in _ancestors(inner))]
                found += [
                    _quota(_words(folder / "cpu.cfs_quota_us", 1)[0], _words(folder / "cpu.cfs_period_us", 1)[0])
                    for folder in folders
                ]
    return min((cores for cores in found if cores), default=0)


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def _words(path: Path, count: int) -> list[str]:
    words = " ".join(_lines(str(path))).split()
    return [*words, *[""] * count][:count]


def _quota(quota: str, period: str) -> int:
    return max(1, _positive(quota) // _positive(period)) if _positive(quota) and _positive(period) else 0
