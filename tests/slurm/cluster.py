"""Start and stop a real Slurm of one node in a folder, for tests: munged, slurmctld and slurmd on 127.0.0.1.

Needs root and the Debian packages slurm-wlm and munge. There is no accounting, so ``sacct`` fails as on many sites.

    python tests/slurm/cluster.py start FOLDER [CPUS]    prints the SLURM_CONF to export
    python tests/slurm/cluster.py stop FOLDER
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")

CONF = """\
ClusterName=dockkit
SlurmctldHost={node}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=60
SchedulerParameters=sched_interval=2,bf_interval=5
SlurmdParameters=config_overrides
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=4000 State=UNKNOWN
PartitionName=short Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Return why a cluster cannot be started here, '' where it can."""
    absent = [name for name in PROGRAMS if _which(name) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started as root here"


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for item in sockets:
        item.bind(("127.0.0.1", 0))
    ports = [item.getsockname()[1] for item in sockets]
    for item in sockets:
        item.close()
    return ports


class Cluster:
    """A one-node Slurm.

    Parameters
    ----------
    folder : Path
        Gets configuration, logs and state.
    cpus : int
        How many CPUs the node claims to have.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.cpus = folder.resolve(), cpus
        self.node = platform.node().split(".")[0]
        self.conf = self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the cluster's configuration and none of another batch job."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**inherited, "SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start the three daemons and wait until the node is idle."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        controller, daemon = _free_ports(2)
        self.conf.write_text(
            CONF.format(
                node=self.node, folder=self.folder, controller=controller, daemon=daemon, cpus=self.cpus
            ),
            encoding="ascii",
        )  # fmt: skip
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._daemon(
            "munged", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        self._daemon("slurmctld", "-f", str(self.conf), "-c")
        self._daemon("slurmd", "-f", str(self.conf))
        self.wait_for_node("idle")

    def _daemon(self, name: str, *arguments: str) -> None:
        program = _which(name)
        assert program is not None, name
        log = self.folder / f"{name}.out"
        with log.open("ab") as file:
            done = subprocess.run(
                [program, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        if done.returncode:
            raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')}")

    def run(self, *command: str) -> str:
        """Run a Slurm command and return what it printed."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout.strip()

    def wait_for_node(self, state: str, seconds: float = 30.0) -> None:
        """Wait until ``sinfo`` shows the node in a state."""
        end = time.monotonic() + seconds
        seen = ""
        while time.monotonic() < end:
            try:
                seen = self.run("sinfo", "--noheader", "--format=%T")
            except RuntimeError as error:
                seen = str(error)
            if seen.startswith(state):
                return
            time.sleep(0.2)
        raise RuntimeError(f"the node is '{seen}', not '{state}', after {seconds:.0f} s; see {self.folder}/slurmd.log")

    def jobs(self) -> dict[str, str]:
        """Return the state of each job in the queue by its id."""
        lines = self.run("squeue", "--noheader", "--format=%i %t").splitlines()
        return dict(line.split(maxsplit=1) for line in lines if line.strip())

    def node_down(self) -> None:
        """Set the node down; its jobs die."""
        self.run("scontrol", "update", f"nodename={self.node}", "state=down", "reason=test")

    def node_up(self, seconds: float = 60.0) -> None:
        """Have the node back; Slurm refuses as long as it clears up."""
        end = time.monotonic() + seconds
        while self.run("sinfo", "--noheader", "--format=%T") not in ("idle", "mixed", "allocated"):
            try:
                self.run("scontrol", "update", f"nodename={self.node}", "state=resume")
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def stop(self) -> None:
        """Cancel every job and end the daemons that this folder's files name."""
        try:
            if jobs := self.jobs():
                self.run("scancel", "--signal=KILL", "--full", *jobs)
                self.run("scancel", *jobs)
        except (RuntimeError, subprocess.TimeoutExpired, OSError):
            pass
        for name in ("slurmd", "slurmctld", "munged"):
            _end(self.folder / f"{name}.pid")


def _end(pid_file: Path, seconds: float = 10.0) -> None:
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """Start or stop a cluster."""
    if len(arguments) < 2 or arguments[0] not in ("start", "stop"):
        print(__doc__)
        return 2
    cluster = Cluster(Path(arguments[1]), int(arguments[2]) if len(arguments) > 2 else 2)
    if arguments[0] == "stop":
        cluster.stop()
        return 0
    if reason := missing():
        print(reason, file=sys.stderr)
        return 2
    cluster.start()
    print(f"export SLURM_CONF={cluster.conf}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
