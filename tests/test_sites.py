from __future__ import annotations

import os
import platform
import time

import pytest
from fake_plan import failing, number, total
from fake_steps import STEPS

from dockkit.cli import main
from dockkit.core.errors import InputError, LigandError, SettingsError
from dockkit.core.sites import SiteSettings, load_site
from dockkit.execution import FolderLock, Workers, as_workers, default_jobs, read_status, run_tasks
from dockkit.execution import cores as cores_module
from dockkit.execution import lock as lock_module
from dockkit.execution.cores import batch_job, granted_cores
from dockkit.execution.retry import LostTaskError, tries
from dockkit.store import Store, failure, success

HOST = platform.node().split(".")[0]


# ------------------------------------------------------------------------------------------------------- sites


def site_toml(folder, text):
    path = folder / "site.toml"
    path.write_text(text, encoding="ascii")
    return path


def test_site_with_everything_left_out(tmp_path):
    site = load_site(site_toml(tmp_path, 'scheduler = "slurm"\ncores_per_node = 32\n'))
    assert (site.workers, site.threads) == (32, 1)
    assert Workers(site=site).kind == "parsl"


def test_one_worker_per_gpu_shares_the_cores_out():
    site = SiteSettings(scheduler="slurm", cores_per_node=30, gpus_per_node=4)
    assert (site.workers, site.threads) == (4, 7)
    assert Workers("parsl", site=site.model_copy(update={"jobs": 3, "nodes": 2})).count == 24


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('scheduler = "slurm"\ncores_per_node = 2\npartion = "a"', "unknown key 'partion'; did you mean 'partition'"),
        ('scheduler = "slurm"', "key 'cores_per_node' is missing"),
        ('scheduler = "moab"\ncores_per_node = 2', "scheduler"),
        ('scheduler = "slurm"\ncores_per_node = 2\nwalltime = "2h"', "walltime"),
        ('scheduler = "slurm"\ncores_per_node = 2\ngrace = "02:00:00"', "leaves nothing of walltime"),
        ('scheduler = "slurm"\ncores_per_node = 2\nworkers_per_node = 3', "3 workers do not fit on 2 cores"),
        ('scheduler = "slurm"\ncores_per_node = 8\ngpus_per_node = 2\nworkers_per_node = 4', "at most one worker"),
        ('scheduler = "sge"\ncores_per_node = 8\nnodes = 2', "one node"),
        ('scheduler = "lsf"\ncores_per_node = 8\nnodes = 2', "one node"),
        ('scheduler = "slurm', "not a readable TOML file"),
    ],
)
def test_wrong_site_is_refused_with_a_reason(tmp_path, text, says):
    with pytest.raises(SettingsError, match=says) as caught:
        load_site(site_toml(tmp_path, text))
    assert "site.toml" in str(caught.value)


def test_site_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load_site(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"executor": "parsl"}, "needs a site file"),
        ({"executor": "slurm"}, "give one of"),
        ({"jobs": 0}, "jobs is 0"),
        ({"executor": "inline", "jobs": 2}, "one process"),
        ({"executor": "local", "site": SiteSettings(scheduler="here", cores_per_node=1)}, "goes with executor 'parsl'"),
    ],
)
def test_workers_that_do_not_go_together(arguments, says):
    with pytest.raises(SettingsError, match=says):
        Workers(**arguments)


def test_workers_from_what_callers_give():
    assert as_workers(1).kind == "inline"
    assert as_workers(3) == Workers(jobs=3)
    assert as_workers(3).kind == "local"
    assert as_workers(None).count == default_jobs()
    assert Workers("local", jobs=1).kind == "local"


# ------------------------------------------------------------------------------------------------------- cores


@pytest.mark.parametrize(
    ("environment", "cores"),
    [
        ({}, 0),
        ({"SLURM_CPUS_PER_TASK": "3", "SLURM_CPUS_ON_NODE": "12"}, 3),
        ({"SLURM_CPUS_ON_NODE": "12"}, 12),
        ({"SLURM_JOB_CPUS_PER_NODE": "16(x2),4"}, 16),
        ({"NCPUS": "6"}, 0),
        ({"PBS_JOBID": "1.head", "NCPUS": "6"}, 6),
        ({"PBS_JOBID": "1.head", "PBS_NUM_PPN": "5"}, 5),
        ({"LSB_JOBID": "1", "LSB_MCPU_HOSTS": f"other 4 {HOST}.site 7"}, 7),
        ({"LSB_JOBID": "1", "LSB_DJOB_NUMPROC": "9"}, 9),
        ({"JOB_ID": "1", "NSLOTS": "8"}, 8),
        ({"NSLOTS": "8"}, 0),
    ],
)
def test_cores_granted_by_each_batch_system(environment, cores):
    assert granted_cores(environment) == cores


def test_cores_of_this_host_in_node_files(tmp_path):
    nodes, hosts = tmp_path / "nodes", tmp_path / "hosts"
    nodes.write_text(f"{HOST}.site\n{HOST}.site\nother\n")
    hosts.write_text(f"other 4 all.q UNDEFINED\n{HOST} 3 all.q UNDEFINED\n")
    assert granted_cores({"PBS_JOBID": "1", "PBS_NODEFILE": str(nodes)}) == 2
    assert granted_cores({"JOB_ID": "1", "NSLOTS": "7", "PE_HOSTFILE": str(hosts)}) == 3


def test_cores_of_a_control_group(tmp_path):
    membership = tmp_path / "cgroup"
    membership.write_text("0::/slurm/job_1\n")
    (tmp_path / "slurm/job_1").mkdir(parents=True)
    assert cores_module._cgroup_cores(tmp_path, membership) == 0
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "slurm/cpu.max").write_text("800000 100000\n")
    assert cores_module._cgroup_cores(tmp_path, membership) == 8
    (tmp_path / "slurm/job_1/cpu.max").write_text("250000 100000\n")
    assert cores_module._cgroup_cores(tmp_path, membership) == 2
    membership.write_text("4:cpu,cpuacct:/job\n")
    (tmp_path / "cpu,cpuacct/job").mkdir(parents=True)
    (tmp_path / "cpu,cpuacct/job/cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu,cpuacct/job/cpu.cfs_period_us").write_text("100000\n")
    assert cores_module._cgroup_cores(tmp_path, membership) == 3


def test_login_node_gets_few_processes(monkeypatch):
    monkeypatch.setattr(cores_module, "usable_cores", lambda: 64)
    monkeypatch.setattr(cores_module.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "qsub" else None)
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "SGE_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert default_jobs() == cores_module.LOGIN_NODE_JOBS
    monkeypatch.setenv("PBS_JOBID", "7.head")
    assert default_jobs() == 64
    monkeypatch.delenv("PBS_JOBID")
    monkeypatch.setattr(cores_module.shutil, "which", lambda name: None)
    assert default_jobs() == 64


def test_batch_job_by_name():
    assert batch_job({"SLURM_JOB_ID": "17"}) == "SLURM_JOB_ID=17"
    assert batch_job({"SGE_TASK_ID": "undefined", "JOB_ID": "4"}) == "SGE_TASK_ID=4"
    assert batch_job({"JOB_ID": "4"}) == ""


# ------------------------------------------------------------------------------------------------------- retries


def test_what_is_tried_again():
    task = number(1)
    assert tries(success(task, 1.0)) == 1
    assert tries(failure(task, LigandError("bad"), 1.0)) == 1
    assert tries(failure(task, ZeroDivisionError("x"), 1.0)) == 1
    assert tries(failure(task, FileNotFoundError("x"), 1.0)) == 1
    assert tries(failure(task, LostTaskError("x"), 1.0)) == 3
    assert tries(failure(task, OSError(116, "Stale file handle"), 1.0)) == 2
    assert tries(failure(task, RuntimeError("Error: CUDA_ERROR_LAUNCH_FAILED (719)"), 1.0)) == 2


def test_killed_worker_is_followed_by_another_try(tmp_path):
    task = failing("killed-once", mark=str(tmp_path / "mark"))
    notes = []
    outcomes = run_tasks([task], Store(tmp_path / "store"), STEPS, jobs=2, on_note=notes.append)
    assert outcomes[task.key].ok
    assert len(notes) == 1
    assert "SIGKILL" in notes[0]
    assert notes[0].endswith("tried again")


def test_task_that_always_kills_its_worker_is_given_up(tmp_path):
    task = failing("killed")
    outcomes = run_tasks([task], Store(tmp_path / "store"), STEPS, jobs=2)
    assert outcomes[task.key].message.endswith("tried 3 times")
    assert not list((tmp_path / "store").glob(".work/*"))


# ------------------------------------------------------------------------------------------------------- status


def test_status_of_a_finished_run_and_of_a_failed_task(tmp_path, capsys):
    good, bad = number(1), failing("input")
    tasks = [good, bad, total(good, bad)]
    run_tasks(tasks, Store(tmp_path / "store"), STEPS)
    status = read_status(tmp_path)
    assert (status.state, status.total, status.ended, status.failed) == ("finished", 3, 3, 1)
    assert {step.step: (step.done, step.failed, step.upstream) for step in status.steps} == {
        "number": (1, 0, 0), "fail": (0, 1, 0), "total": (0, 0, 1),
    }  # fmt: skip
    assert main(["status", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "failing input: imatinib.sdf: atom 3 has 5 bonds" in text
    assert "tasks       3 of 3, 1 failed" in text
    assert main(["status", str(tmp_path), "--json"]) == 1
    assert '"state": "finished"' in capsys.readouterr().out


def test_status_counts_the_store_where_the_driver_is_gone(tmp_path):
    tasks = [number(i) for i in range(4)]

    def stop(event):
        if event.kind == "finished" and event.task == tasks[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, Store(tmp_path / "store"), STEPS, on_event=stop)
    assert read_status(tmp_path).state == "stopped"
    path = tmp_path / "run/status.json"
    path.write_text(path.read_text().replace('"stopped"', '"running"'))
    status = read_status(tmp_path)
    assert (status.state, status.ended) == ("lost", 2)


def test_status_writes_nothing_and_knows_who_runs(tmp_path):
    run_tasks([number(1)], Store(tmp_path / "store"), STEPS)
    path = tmp_path / "run/status.json"
    path.write_text(path.read_text().replace('"finished"', '"running"'))
    with FolderLock(tmp_path):
        before = sorted(str(item) for item in tmp_path.rglob("*"))
        status = read_status(tmp_path)
        assert sorted(str(item) for item in tmp_path.rglob("*")) == before
    assert status.state == "running"
    assert status.holder.pid == os.getpid()


def test_status_of_nothing(tmp_path, capsys):
    with pytest.raises(InputError, match="no run to tell of"):
        read_status(tmp_path)
    assert main(["status", str(tmp_path / "absent")]) == 2
    assert "no such folder" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------- lock


def test_requeued_job_takes_its_own_folder_over(tmp_path, monkeypatch):
    path = tmp_path / lock_module.LOCK_FILE
    path.write_text('{"pid": 1, "host": "node17", "start": "5", "job": "SLURM_JOB_ID=8", "token": "a"}')
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    with FolderLock(tmp_path):
        assert "node17" not in path.read_text()


def test_driver_that_lost_its_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.01)
    with FolderLock(tmp_path) as lock:
        lock.check()
        lock.path.write_text('{"pid": 1, "host": "node17", "start": "5", "token": "a"}')
        end = time.monotonic() + 30.0
        while not lock._lost.is_set():
            assert time.monotonic() < end
            time.sleep(0.01)
        with pytest.raises(Exception, match="process 1 on node17 took this folder"):
            lock.check()
    assert lock.path.exists()


def test_lock_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def no_link(*paths: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(lock_module.os, "link", no_link)
    with FolderLock(tmp_path) as lock:
        assert lock.path.exists()
        assert [item.name for item in tmp_path.iterdir()] == [lock.path.name]
    assert not lock.path.exists()
