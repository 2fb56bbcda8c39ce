from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace

import fake_steps
import pytest

from dockkit.core.errors import DockingError, LigandError, StoreError
from dockkit.core.model import Estimate, Pose
from dockkit.core.task import make_task, task_key
from dockkit.store import OUTCOME_FILE, Store, failure, success

TASK = make_task(fake_steps.STEPS, "number", {"value": 2}, {}, "two")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_success_comes_back_with_its_provenance(store):
    assert store.outcome(TASK.key) is None
    store.commit(success(TASK, 1.25), Estimate(2.0, 0.1))
    outcome = store.outcome(TASK.key)
    assert outcome == success(TASK, 1.25)
    assert outcome.ok
    assert outcome.final
    assert dict(outcome.versions)["dockkit"]
    assert store.load(TASK.key) == Estimate(2.0, 0.1)
    assert store.path(TASK.key) == store.root / TASK.key[:2] / TASK.key


def test_failure_is_stored_with_its_reason_and_only_bad_input_is_final(store):
    store.commit(failure(TASK, DockingError("no pose in the box"), 3.0), log=b"vina: stopped")
    outcome = store.outcome(TASK.key)
    assert (outcome.status, outcome.error_type, outcome.message) == ("failed", "DockingError", "no pose in the box")
    assert not outcome.final
    assert (store.path(TASK.key) / "log.txt").read_bytes() == b"vina: stopped"
    assert failure(TASK, LigandError("bad"), 0).final
    with pytest.raises(StoreError, match="cannot be read"):
        store.load(TASK.key)


def test_retried_failure_gives_way_and_success_stays(store):
    store.commit(failure(TASK, DockingError("no pose"), 1.0))
    store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
    assert store.outcome(TASK.key).ok
    store.commit(failure(TASK, DockingError("late"), 1.0))
    assert store.outcome(TASK.key).ok
    assert store.load(TASK.key) == Estimate(2.0, 0.0)


@pytest.mark.parametrize("name", ["record.json", "arrays.npz", OUTCOME_FILE])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damaged_entry_is_moved_aside_and_counts_as_absent(store, name, damage):
    record = Pose("imatinib", "abl1", [[1.0, 2.0, 3.0]], "bound")
    store.commit(success(TASK, 1.0), record)
    path = store.path(TASK.key) / name
    data = path.read_bytes()
    middle = len(data) // 2
    if damage == "truncate":
        path.write_bytes(data[:middle])
    elif damage == "flip":
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    else:
        path.unlink()
    assert store.outcome(TASK.key) is None
    assert not store.path(TASK.key).exists()
    store.commit(success(TASK, 2.0), record)
    assert store.outcome(TASK.key).seconds == 2.0


def test_entry_of_another_key_or_version_does_not_count(store):
    other = make_task(fake_steps.STEPS, "number", {"value": 3}, {}, "three")
    store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
    store.path(other.key).parent.mkdir(exist_ok=True)
    store.path(TASK.key).rename(store.path(other.key))
    assert store.outcome(other.key) is None


def test_record_that_cannot_be_decoded_is_moved_aside(store):
    store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
    path = store.path(TASK.key) / "record.json"
    path.write_text(json.dumps({"format": 1, "record": {"$record": "Unknown", "fields": {}}}))
    with pytest.raises(StoreError, match="moved aside: run the same command again"):
        store.load(TASK.key)
    assert store.outcome(TASK.key) is None


def test_many_writers_of_one_key_leave_one_whole_entry(store):
    errors = []

    def write() -> None:
        try:
            for _ in range(5):
                store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.outcome(TASK.key).ok
    assert list((store.root / ".new").iterdir()) == []


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission denied")])
def test_full_disk_or_no_permission_leaves_nothing_half_written(store, monkeypatch, code, says):
    def full(descriptor: int) -> None:
        raise OSError(code, "from the system")

    monkeypatch.setattr("dockkit.store.os.fsync", full)
    with pytest.raises(StoreError, match=f"{says}.*Finished work is kept"):
        store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
    monkeypatch.undo()
    assert store.outcome(TASK.key) is None
    assert list((store.root / ".new").iterdir()) == []


def test_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "store")


def test_clean_and_clear(store):
    store.commit(success(TASK, 1.0), Estimate(2.0, 0.0))
    store.work_dir()
    store.clean()
    assert sorted(item.name for item in store.root.iterdir()) == [TASK.key[:2]]
    store.clear()
    assert store.outcome(TASK.key) is None


def test_key_changes_with_everything_the_result_depends_on():
    def key(step="pose", version="1", params=None, inputs=None, contents=None):
        return task_key(step, version, params or {"seed": 1, "file": "a/x.pdb"}, inputs or {"ligand": "k"}, contents)

    content = {"file": "0" * 64}
    assert key() == key()
    assert len({key(), key(step="dock"), key(version="2"), key(params={"seed": 2}), key(inputs={"ligand": "j"})}) == 5
    assert key(contents=content) != key(contents={"file": "1" * 64})
    moved = {"seed": 1, "file": "b/x.pdb"}
    assert key(contents=content) == key(params=moved, contents=content)
    assert key() != key(params=moved)
    assert key(params={"seed": 1, "cpu": 1}) == key(params={"seed": 1, "cpu": 8})


def test_outcome_replace_keeps_type():
    assert replace(success(TASK, 1.0), seconds=2.0).seconds == 2.0
