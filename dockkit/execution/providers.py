"""Parsl's provider and executor for a site, and the job script that it would submit."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from parsl.executors import HighThroughputExecutor
from parsl.executors.high_throughput.executor import DEFAULT_LAUNCH_CMD
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.jobs.states import JobState, JobStatus
from parsl.launchers import MpiExecLauncher, MpiRunLauncher, SingleNodeLauncher, SrunLauncher
from parsl.launchers.base import Launcher
from parsl.providers import GridEngineProvider, LocalProvider, LSFProvider, PBSProProvider, SlurmProvider
from parsl.providers.base import ExecutionProvider
from parsl.providers.cluster_provider import ClusterProvider

from dockkit.core.sites import SiteSettings, duration_seconds
from dockkit.execution.local import ONE_THREAD

LABEL: Final = "dockkit"
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]
_SLURM_STATES: Final = {
    "PD": JobState.PENDING, "CF": JobState.PENDING, "R": JobState.RUNNING, "CG": JobState.RUNNING,
    "S": JobState.HELD, "SO": JobState.HELD, "RQ": JobState.PENDING, "RH": JobState.HELD, "RD": JobState.HELD,
}  # fmt: skip


class _Patient(ClusterProvider):
    """What every provider here does alike: commands run clean of this job's own variables, the last refusal is kept."""

    poll_seconds = 60
    refusal = ""

    def execute_wait(self, cmd: str, timeout: int | None = None) -> tuple[int, str, str]:
        """Run a command of the batch system."""
        inherited = [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_")) and name != "SLURM_CONF"]
        clean = " ".join(["env", *(f"-u {name}" for name in inherited)])
        code: int
        code, out, err = super().execute_wait(f"{clean} {cmd}" if inherited else cmd, timeout)
        if code and cmd.split()[0] in ("sbatch", "qsub", "bsub"):
            self.refusal = " ".join((err or out).split())
        return code, out, err

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks at the queue."""
        return self.poll_seconds


class _Slurm(SlurmProvider, _Patient):
    """Slurm by ``squeue`` alone: accounting need not be there, and a job that is no longer listed has ended."""

    status_polling_interval = _Patient.status_polling_interval

    def _status(self) -> None:
        active = [str(job) for job, entry in self.resources.items() if not entry["status"].terminal]
        if not active:
            return
        code, out, err = self.execute_wait(f"squeue --noheader --format='%i %t' --job {','.join(active)}")
        if code and "Invalid job id" not in err:
            return  # the controller does not answer: nothing is known
        seen = dict(line.split()[:2] for line in out.splitlines() if len(line.split()) >= 2)
        for job in active:
            entry = self.resources[job]
            state = _SLURM_STATES.get(seen[job], JobState.COMPLETED) if job in seen else JobState.COMPLETED
            entry["status"] = JobStatus(
                state, stdout_path=entry["job_stdout_path"], stderr_path=entry["job_stderr_path"]
            )


class _Pbs(PBSProProvider, _Patient):
    status_polling_interval = _Patient.status_polling_interval


class _Lsf(LSFProvider, _Patient):
    status_polling_interval = _Patient.status_polling_interval


class _GridEngine(GridEngineProvider, _Patient):
    status_polling_interval = _Patient.status_polling_interval


def _launcher(site: SiteSettings) -> Launcher:
    name: str = site.launcher
    if not name:
        several = {"slurm": "srun", "pbs": "mpiexec", "here": "srun" if os.environ.get("SLURM_JOB_ID") else "mpiexec"}
        name = "single" if site.nodes == 1 else several[site.scheduler]
    if name == "srun":  # since 22.05 a step gets the job's cores only where it says so
        return SrunLauncher(overrides=f"--cpus-per-task={site.cores_per_node} {site.launcher_options}".strip())
    if name in ("mpiexec", "mpirun"):
        kind = MpiExecLauncher if name == "mpiexec" else MpiRunLauncher
        return kind(overrides=site.launcher_options)
    return SingleNodeLauncher()


def _worker_init(site: SiteSettings) -> str:
    """Return the shell lines before the workers start: the site's, then threads and the way to this package."""
    threads = {name: str(site.threads) for name in ONE_THREAD}
    lines = [site.worker_init.rstrip()] if site.worker_init.strip() else []
    lines += [f"export {name}={value}" for name, value in {**threads, "PARSL_CORES": str(site.cores_per_node)}.items()]
    if Path(sysconfig.get_paths()["purelib"]).resolve() not in _PACKAGE_ROOT.parents and not _is_installed():
        lines.append(f'export PYTHONPATH={shlex.quote(str(_PACKAGE_ROOT))}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    return "\n".join(lines) + "\n"


def _is_installed() -> bool:
    return Path(sysconfig.get_paths()["purelib"]).resolve() == _PACKAGE_ROOT


def _head(site: SiteSettings, prefix: str, asks: Mapping[str, Any]) -> str:
    """Return the lines of a job script's head for what is asked for, then the site's own."""
    lines = [f"#{prefix} {text.format(value)}" for text, value in asks.items() if value]
    return "\n".join([*lines, *site.extra])


def _slurm(site: SiteSettings, common: dict[str, Any]) -> ExecutionProvider:
    return _Slurm(
        **common,
        partition=site.partition or None,
        account=site.account or None,
        qos=site.qos or None,
        constraint=site.constraint or None,
        cores_per_node=site.cores_per_node,
        mem_per_node=site.memory_gb_per_node or None,
        gpus_per_node=site.gpus_per_node or None,
        exclusive=site.exclusive,
        scheduler_options=_head(site, "SBATCH", {"--no-requeue": True}),  # the driver itself asks for another job
        cmd_timeout=60,
    )


def _pbs(site: SiteSettings, common: dict[str, Any]) -> ExecutionProvider:
    asks = {"ngpus": site.gpus_per_node, "mem": f"{site.memory_gb_per_node}gb" if site.memory_gb_per_node else 0}
    return _Pbs(
        **common,
        queue=site.partition or None,
        account=site.account or None,
        cpus_per_node=site.cores_per_node,
        select_options=":".join(f"{name}={value}" for name, value in asks.items() if value),
        scheduler_options=_head(site, "PBS", {}),
    )


def _lsf(site: SiteSettings, common: dict[str, Any]) -> ExecutionProvider:
    asks = {'-gpu "num={}"': site.gpus_per_node, "-M {}GB": site.memory_gb_per_node}
    return _Lsf(
        **common,
        queue=site.partition or None,
        project=site.account or None,
        request_by_nodes=False,
        cores_per_block=site.cores_per_node,
        cores_per_node=site.cores_per_node,
        bsub_redirection=True,
        scheduler_options=_head(site, "BSUB", asks),
    )


def _grid_engine(site: SiteSettings, common: dict[str, Any]) -> ExecutionProvider:
    slots = f"{site.parallel_environment} {site.cores_per_node}" if site.parallel_environment else ""
    asks = {"-pe {}": slots, "-P {}": site.account, "-l gpu={}": site.gpus_per_node}
    return _GridEngine(**common, queue=site.partition or None, scheduler_options=_head(site, "$", asks))


def _here(site: SiteSettings, common: dict[str, Any]) -> ExecutionProvider:
    del common["walltime"]
    return LocalProvider(**common)


_PROVIDERS: Final[Mapping[str, Callable[[SiteSettings, dict[str, Any]], ExecutionProvider]]] = {
    "slurm": _slurm,
    "pbs": _pbs,
    "lsf": _lsf,
    "sge": _grid_engine,
    "here": _here,
}


def make_provider(site: SiteSettings) -> ExecutionProvider:
    """Return Parsl's provider for a site.

    Parameters
    ----------
    site : SiteSettings

    Returns
    -------
    parsl.providers.base.ExecutionProvider
        Nothing is submitted yet.
    """
    common: dict[str, Any] = {
        "nodes_per_block": site.nodes,
        "init_blocks": 1,
        "min_blocks": 0,
        "max_blocks": site.jobs,
        "walltime": site.walltime,
        "worker_init": _worker_init(site),
        "launcher": _launcher(site),
    }
    provider = _PROVIDERS[site.scheduler](site, common)
    if isinstance(provider, _Patient):
        provider.poll_seconds = site.poll_seconds
    return provider


def make_htex(site: SiteSettings) -> HighThroughputExecutor:
    """Return Parsl's pilot-job executor for a site: one worker per GPU, or per core, and no task fetched ahead.

    Parameters
    ----------
    site : SiteSettings

    Returns
    -------
    parsl.executors.HighThroughputExecutor
        Not started.
    """
    python = site.python or shlex.quote(sys.executable)
    pool = f"{python} -m parsl.executors.high_throughput.process_worker_pool"
    lifetime = duration_seconds(site.walltime) - duration_seconds(site.grace)
    drains = site.scheduler != "here" and duration_seconds(site.grace) > 0
    return HighThroughputExecutor(
        label=LABEL,
        provider=make_provider(site),
        launch_cmd=DEFAULT_LAUNCH_CMD.replace("process_worker_pool.py", pool, 1),
        interchange_launch_cmd=[
            "env", f"PYTHONPATH={os.pathsep.join(path for path in sys.path if path)}",
            sys.executable, "-m", "dockkit.execution.broker",
        ],
        address=site.address or None,
        worker_port_range=site.ports,
        cores_per_worker=site.cores_per_node / site.workers,
        max_workers_per_node=site.workers,
        available_accelerators=site.gpus_per_node,
        heartbeat_period=site.heartbeat_seconds,
        heartbeat_threshold=4 * site.heartbeat_seconds,
        drain_period=lifetime if drains else None,
        block_error_handler=windowed_error_handler,
    )  # fmt: skip


def job_script(site: SiteSettings) -> str:
    """Return the script of one pilot job, as it would be submitted.

    The port and the folders, which are known only when a run starts, are stood in for.

    Parameters
    ----------
    site : SiteSettings

    Returns
    -------
    str
        For a site ``here``, the commands that would run.
    """
    executor: Any = make_htex(site)
    executor.worker_port, executor.logconf_path, executor.cert_dir = site.ports[0], None, "RUN_FOLDER/certificates"
    executor.run_dir = "RUN_FOLDER"
    executor.initialize_scaling()
    provider: Any = executor.provider
    command = str(executor.launch_cmd).replace("{block_id}", "0")
    if isinstance(provider, LocalProvider):
        return f"{provider.worker_init}\n{provider.launcher(command, 1, provider.nodes_per_block)}"
    with tempfile.TemporaryDirectory() as folder:
        provider.script_dir = folder
        _refuse(provider)
        with contextlib.suppress(Exception):  # the refusal: every provider has written its script by then
            provider.submit(command, 1, LABEL)
        scripts = [path for path in Path(folder).iterdir() if path.suffix not in (".stdout", ".stderr")]
        text = scripts[0].read_text(encoding="utf-8").replace(folder, "RUN_FOLDER/submit_scripts")
    return re.sub(r"\n{3,}", "\n\n", text)


def _refuse(provider: Any) -> None:
    """Make a provider fail to submit, after it has written its script."""

    def execute_wait(cmd: str, timeout: int | None = None) -> tuple[int, str, str]:
        return 1, "", "dry run"

    provider.execute_wait = execute_wait
