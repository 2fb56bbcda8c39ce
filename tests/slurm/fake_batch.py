"""Stand-ins for PBS, LSF and Grid Engine: submit, list and delete as their manuals say; jobs run at once, here.

python tests/slurm/fake_batch.py install FOLDER KIND    puts qsub, qstat, qdel or bsub, bjobs, bkill into FOLDER
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "pbs": ("qsub", "qstat", "qdel"),
    "lsf": ("bsub", "bjobs", "bkill"),
    "sge": ("qsub", "qstat", "qdel"),
}


def install(folder: Path, kind: str) -> None:
    """Write the commands of one batch system."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in COMMANDS[kind]:
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nexec {sys.executable} -S {Path(__file__).resolve()} {kind} {name} {folder} "$@"\n',
            encoding="ascii",
        )
        path.chmod(0o755)


def submit(kind: str, state: Path, arguments: list[str]) -> None:
    """Start the script in a session of its own, as the user would find it on a node: without this environment."""
    script = sys.stdin.read() if kind == "lsf" else Path(arguments[-1]).read_text(encoding="utf-8")
    (state / "submitted").write_text(script, encoding="utf-8")
    with (state / "log").open("ab") as log:
        process = subprocess.Popen(
            ["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")},
        )  # fmt: skip
    (state / f"job-{process.pid}").touch()
    print({
        "pbs": f"{process.pid}.head",
        "lsf": f"Job <{process.pid}> is submitted to queue <normal>.",
        "sge": str(process.pid),
    }[kind])  # fmt: skip


def jobs(state: Path) -> dict[int, bool]:
    """Return for each job whether it runs."""
    return {int(path.name.split("-")[1]): _runs(int(path.name.split("-")[1])) for path in state.glob("job-*")}


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listing(kind: str, state: Path, arguments: list[str]) -> None:
    """Print the queue as this system does."""
    found = jobs(state)
    if kind == "pbs":
        states = {f"{pid}.head": {"job_state": "R" if runs else "F"} for pid, runs in found.items()}
        print(json.dumps({"Jobs": states}))
    elif kind == "lsf":
        for word in arguments:
            if word.isdigit() and int(word) in found:
                print(f"{word} {'RUN' if found[int(word)] else 'DONE'}")
    else:
        print("job-ID  prior   name       user         state submit/start at\n" + "-" * 60)
        for pid, runs in found.items():
            if runs:
                print(f"{pid} 0.5 parsl user r 11/23/2026 22:00:00 all.q@node 2")


def delete(state: Path, arguments: list[str]) -> None:
    """Kill jobs."""
    for word in arguments:
        pid = int(re.sub(r"\D.*", "", word) or 0)
        if pid in jobs(state):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def main(arguments: list[str]) -> int:
    """Play one command."""
    if arguments[0] == "install":
        install(Path(arguments[1]), arguments[2])
        return 0
    kind, name, state = arguments[0], arguments[1], Path(arguments[2])
    if name in ("qsub", "bsub"):
        submit(kind, state, arguments[3:])
    elif name in ("qstat", "bjobs"):
        listing(kind, state, arguments[3:])
    else:
        delete(state, arguments[3:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
