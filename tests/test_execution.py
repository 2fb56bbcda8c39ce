from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_steps
import pytest
from fake_plan import failing, number, total
from fake_steps import STEPS, FakeStep

from dockkit.core.errors import ExecutionError, SettingsError, StoreError
from dockkit.core.model import Estimate
from dockkit.core.task import make_task
from dockkit.execution import FolderLock, run_tasks, stored_outcomes, usable_cores
from dockkit.execution import lock as lock_module
from dockkit.execution.schedule import Schedule
from dockkit.store import Store, failure, success


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_run_in_the_order_of_their_inputs(store, jobs):
    one, two = number(1), number(2)
    both = total(one, two)
    again = total(both, one)
    outcomes = run_tasks([again, both, two, one], store, STEPS, jobs=jobs)
    assert {outcome.status for outcome in outcomes.values()} == {"ok"}
    assert store.load(both.key).value == 3.0
    assert store.load(again.key).value == 4.0
    assert not list(store.root.glob(".work/*"))


def test_workers_have_one_thread_each(store):
    task = total(number(1))
    run_tasks([number(1), task], store, STEPS, jobs=2)
    assert store.load(task.key).sem == 1.0


@pytest.mark.parametrize("jobs", [1, 2])
def test_second_run_computes_nothing(store, tmp_path, jobs):
    log = tmp_path / "log"
    tasks = [number(i, log=str(log)) for i in range(3)]
    tasks.append(total(*tasks))
    run_tasks(tasks, store, STEPS, jobs=jobs)
    events = []
    run_tasks(tasks, store, STEPS, jobs=jobs, on_event=events.append)
    assert sorted(log.read_text().split()) == ["0", "1", "2"]
    assert [event.kind for event in events] == ["reused"] * 4
    assert len(stored_outcomes(tasks, store)) == 4


def test_a_damaged_result_is_computed_again(store, tmp_path):
    log = tmp_path / "log"
    tasks = [number(5, log=str(log))]
    run_tasks(tasks, store, STEPS)
    (store.path(tasks[0].key) / "record.json").write_bytes(b"{")
    run_tasks(tasks, store, STEPS)
    assert log.read_text().split() == ["5", "5"]
    assert store.load(tasks[0].key) == Estimate(5.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "jobs", "says"),
    [
        ("input", 1, "atom 3 has 5 bonds"),
        ("bug", 2, "division by zero"),
        ("killed", 2, "SIGKILL.*fewer --jobs.*about to run out of memory"),
        ("exit", 2, "exit code 7"),
    ],
)
def test_a_failed_task_stops_only_what_needs_it(store, kind, jobs, says):
    bad, good = failing(kind), [number(i) for i in range(4)]
    below = total(bad, good[0])
    last = total(below, good[1])
    fine = total(*good)
    outcomes = run_tasks([bad, *good, below, last, fine], store, STEPS, jobs=jobs)
    assert outcomes[bad.key].status == "failed"
    assert re.search(says, outcomes[bad.key].message)
    assert outcomes[below.key].status == outcomes[last.key].status == "upstream"
    assert outcomes[last.key].message.startswith(f"failing {kind} failed: ")
    assert outcomes[last.key].message.count(" failed: ") == 1
    assert outcomes[fine.key].ok
    assert store.load(fine.key).value == 6.0


@pytest.mark.parametrize("told", [True, False])
def test_a_lost_task_that_got_further_goes_on(store, tmp_path, told):
    """Six tries: more than a lost task has, were it not said that each one left work behind."""
    mark = tmp_path / "mark"
    task = failing("killed-on-its-way", mark=str(mark), length=6)
    progress = (lambda task: mark.stat().st_size if mark.exists() else 0) if told else (lambda task: 0)
    outcome = run_tasks([task], store, STEPS, jobs=2, progress=progress)[task.key]
    assert outcome.ok == told
    assert mark.stat().st_size == (6 if told else 3)


def test_two_dead_inputs_give_one_outcome_each(store):
    bad = [failing("input"), failing("bug")]
    below = total(*bad)
    events = []
    run_tasks([*bad, below, total(below)], store, STEPS, on_event=events.append)
    finished = [event.task.key for event in events if event.kind == "finished"]
    assert len(finished) == len(set(finished)) == 4


def test_bad_input_stays_failed_and_other_failures_are_tried_again(store, tmp_path):
    bad, flaky = failing("input"), failing("flaky", mark=str(tmp_path / "mark"))
    first = run_tasks([bad, flaky], store, STEPS)
    assert not first[flaky.key].ok
    events = []
    second = run_tasks([bad, flaky], store, STEPS, on_event=events.append)
    assert second[flaky.key].ok
    assert not second[bad.key].ok
    assert [(event.kind, event.task.key) for event in events if event.task.key == bad.key] == [("reused", bad.key)]


def test_failure_keeps_its_traceback_for_those_who_ask(store):
    bad = failing("bug")
    run_tasks([bad], store, STEPS)
    assert "ZeroDivisionError" in (store.path(bad.key) / "log.txt").read_text()


def test_a_full_disk_ends_the_run_with_its_reason(store, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dockkit.store.SYNC_SECONDS", 0.0)
    monkeypatch.setattr("dockkit.store.os.fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        run_tasks([number(1)], store, STEPS)


def test_steps_that_cannot_be_sent_are_refused(store):
    local = {"number": FakeStep("1", lambda params, inputs, work_dir: None)}
    with pytest.raises(ExecutionError, match="use jobs=1"):
        run_tasks([number(1)], store, local, jobs=2)
    with pytest.raises(SettingsError, match="jobs is 0"):
        run_tasks([number(1)], store, STEPS, jobs=0)


def test_unknown_step_is_a_failed_task(store):
    outcomes = run_tasks([number(1)], store, {})
    assert "no step 'number'" in next(iter(outcomes.values())).message


def test_longest_chain_first():
    short = make_task({**STEPS, "ligand": STEPS["number"]}, "ligand", {}, {}, "short")
    head = make_task({**STEPS, "receptor": STEPS["number"]}, "receptor", {}, {}, "head")
    tail = make_task({**STEPS, "dynamics": STEPS["number"]}, "dynamics", {}, {"x": head.key}, "tail")
    schedule = Schedule([short, tail, head])
    assert schedule.pop() == head
    assert schedule.pop() == short
    assert schedule.pop() is None
    schedule.complete(success(head, 1.0))
    assert schedule.pop() == tail
    assert not schedule.finished
    schedule.complete(success(short, 1.0))
    schedule.complete(failure(tail, ValueError("x"), 1.0))
    assert schedule.finished


def test_plan_with_a_hole_or_a_circle_is_refused():
    hole = make_task(STEPS, "total", {}, {"x": "absent"}, "hole")
    with pytest.raises(ExecutionError, match="not in the plan"):
        Schedule([hole])
    one = make_task(STEPS, "total", {}, {}, "one")
    circle = [type(one)("a", "total", {}, {"x": "b"}, "a"), type(one)("b", "total", {}, {"x": "a"}, "b")]
    with pytest.raises(ExecutionError, match="circle"):
        Schedule(circle)


def test_cores_follow_the_allocation(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert usable_cores() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4096")
    assert 1 <= usable_cores() <= os.cpu_count()


DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with Ctrl-C ignored
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from fake_steps import STEPS
from dockkit.core.task import make_task
from dockkit.execution import FolderLock, run_tasks
from dockkit.store import Store
out = Path(sys.argv[2])
tasks = [make_task(STEPS, "number", {"value": 1}, {}, "one")]
tasks.append(make_task(STEPS, "sleep", {"mark": str(out / "mark"), "seconds": 60}, {"x": tasks[0].key}, "sleep"))
with FolderLock(out):
    run_tasks(tasks, Store(out / "store"), STEPS, jobs=2)
"""


def _wait_for(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_kill_9_of_the_driver_loses_only_the_task_in_flight(tmp_path):
    tests = str(Path(fake_steps.__file__).parent)
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, tests, str(tmp_path)])
    mark = tmp_path / "mark"
    _wait_for(lambda: mark.exists() and mark.read_text())
    with pytest.raises(StoreError, match=f"process {driver.pid}"), FolderLock(tmp_path):
        pass
    driver.kill()
    driver.wait()
    _wait_for(lambda: _gone(int(mark.read_text())))
    with FolderLock(tmp_path):
        store = Store(tmp_path / "store")
        store.clean()
        task = number(1)
        assert store.outcome(task.key).ok
    assert not (tmp_path / ".dockkit.lock").exists()


def test_ctrl_c_stops_the_workers_and_gives_the_folder_back(tmp_path):
    tests = str(Path(fake_steps.__file__).parent)
    command = [sys.executable, "-c", DRIVER, tests, str(tmp_path)]
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    mark = tmp_path / "mark"
    _wait_for(lambda: mark.exists() and mark.read_text())
    driver.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in driver.communicate(timeout=30)[1]
    assert _gone(int(mark.read_text()))
    assert not (tmp_path / ".dockkit.lock").exists()


def test_second_driver_is_refused_and_the_lock_is_given_back(tmp_path):
    with FolderLock(tmp_path), pytest.raises(StoreError, match="another dockkit run"), FolderLock(tmp_path):
        pass
    with FolderLock(tmp_path):
        pass


def test_lock_of_another_machine_is_left_until_it_is_old(tmp_path):
    path = tmp_path / ".dockkit.lock"
    path.write_text(json.dumps({"pid": 1, "host": "node17", "start": "5", "token": "a"}))
    with pytest.raises(StoreError, match="node17"), FolderLock(tmp_path):
        pass
    old = time.time() - lock_module.STALE_SECONDS - 1
    os.utime(path, (old, old))
    with FolderLock(tmp_path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_lock_of_a_reused_process_id_is_taken_over(tmp_path):
    path = tmp_path / ".dockkit.lock"
    mine = FolderLock(tmp_path)._mine
    path.write_text(json.dumps({**mine, "start": "1", "token": "a"}))
    with FolderLock(tmp_path):
        pass
    assert not path.exists()


def test_lock_in_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(StoreError, match="cannot be written.*--out"), FolderLock(tmp_path / "absent"):
        pass
