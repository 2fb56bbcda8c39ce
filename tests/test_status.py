"""What a run says about itself in files: the pace leaves out what was there before."""

from __future__ import annotations

import json

import pytest
from fake_steps import STEPS

from dockkit import cli
from dockkit.core.task import make_task
from dockkit.execution import FolderLock, as_record, progress, read_status
from dockkit.execution.progress import Recorder
from dockkit.store import Outcome


def tasks(count):
    return [make_task(STEPS, "total", {"i": i}, {}, f"number {i}") for i in range(count)]


def ended(task, status="ok"):
    return Outcome(task.key, task.step, task.label, status, message="" if status == "ok" else "no such atom")


def later(monkeypatch, seconds):
    now = progress.time.time()
    monkeypatch.setattr(progress.time, "time", lambda: now + seconds)


def test_the_pace_is_that_of_this_run_alone(tmp_path, monkeypatch, capsys):
    plan = tasks(100)
    with FolderLock(tmp_path), Recorder(tmp_path, plan, "2 processes") as recorder:
        for task in plan[:60]:
            recorder.ended(ended(task), reused=True)
        for task in plan[60:70]:
            recorder.ended(ended(task))
        recorder._write("running")
        later(monkeypatch, 20.0)
        status = read_status(tmp_path)
        assert (status.ended, status.reused, status.total) == (70, 60, 100)
        # ten tasks in 20 s: thirty more take 60 s; with the reused ones it would seem to be 9 s
        assert status.seconds_left == pytest.approx(60.0, abs=1.0)
        assert cli.main(["status", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert "70 of 100 (60 from before), about 60 s left at this pace" in said
        assert as_record(status)["seconds_left"] == pytest.approx(60, abs=1)


def test_without_a_task_of_its_own_a_run_has_no_pace(tmp_path, monkeypatch, capsys):
    plan = tasks(4)
    with FolderLock(tmp_path), Recorder(tmp_path, plan, "1 process") as recorder:
        recorder.ended(ended(plan[0]), reused=True)
        recorder._write("running")
        later(monkeypatch, 20.0)
        assert read_status(tmp_path).seconds_left is None
    assert read_status(tmp_path).seconds_left is None, "it is finished"


def test_status_of_an_older_run_is_read(tmp_path):
    plan = tasks(2)
    with Recorder(tmp_path, plan, "1 process") as recorder:
        recorder.ended(ended(plan[0]))
        recorder.ended(ended(plan[1], "failed"))
    path = tmp_path / "run" / "status.json"
    content = json.loads(path.read_text())
    del content["reused"]
    path.write_text(json.dumps(content))
    assert read_status(tmp_path).reused == 0
    assert cli.main(["status", str(tmp_path)]) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["run"], "status only reads"
