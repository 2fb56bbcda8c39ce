"""A driver for tests: a small plan of slow fake tasks through any executor; prints its table as JSON.

python tests/slurm/driver.py OUT SECONDS EXECUTOR [SITE]
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import slow_steps  # noqa: E402

from dockkit.core.errors import DockkitError  # noqa: E402
from dockkit.core.sites import load_site  # noqa: E402
from dockkit.execution import FolderLock, Workers, run_tasks  # noqa: E402
from dockkit.store import Store  # noqa: E402


def main(out: Path, seconds: float, executor: str, site: str = "") -> int:
    """Run the plan; 0 where every task went well, 1 otherwise, 2 where it could not run."""
    out.mkdir(parents=True, exist_ok=True)
    tasks = slow_steps.plan(out, seconds)
    workers = Workers(executor, site=load_site(site) if site else None)  # type: ignore[arg-type]
    started = time.monotonic()
    try:
        with FolderLock(out) as lock:
            store = Store(out / "store")
            store.clean()
            outcomes = run_tasks(
                tasks, store, slow_steps.STEPS, jobs=workers, check=lock.check,
                on_note=lambda text: print(f"{time.monotonic() - started:.1f} {text}", file=sys.stderr, flush=True),
            )  # fmt: skip
    except DockkitError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    table = {
        task.label: store.load(task.key).value if outcomes[task.key].ok else outcomes[task.key].message
        for task in tasks
    }
    (out / "table.json").write_text(json.dumps(table, indent=1), encoding="ascii")
    return 0 if all(outcome.ok for outcome in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]))
