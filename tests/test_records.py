from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockkit.core import model
from dockkit.core.errors import StoreError
from dockkit.core.records import (
    ARRAY_FILE,
    JSON_FILE,
    canonical_json,
    fingerprint,
    load_record,
    record_files,
    register,
    save_record,
)


def receptor(x: float = 0.1) -> model.Receptor:
    return model.Receptor(
        name="abl1-test", kinase="ABL1", uniprot="P00519", source="model", modelled=True,
        atom_names=["N", "CA", "OXT"], elements=["N", "C", "O"], atom_residue=[0, 0, 1],
        coordinates=[[x, 1 / 3, np.pi], [-0.0, 1e-300, 5e-324], [1, 2, 3]],
        residue_names=["THR", "NME"], chain_ids=["A", "A"], insertion_codes=["", "B"],
        author_numbers=[334, 335], uniprot_numbers=[315, 0], segments=[0, 0],
        conformation=model.Conformation("out", "in", (("dfg_distance", 11.25), ("none", math.nan))),
        notes=("Größe Å",),
    )  # fmt: skip


def assert_same(left: object, right: object) -> None:
    """Equality to the last bit, arrays and NaN included."""
    assert type(left) is type(right)
    if dataclasses.is_dataclass(left):
        for item in dataclasses.fields(left):
            assert_same(getattr(left, item.name), getattr(right, item.name))
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        assert left.tobytes() == right.tobytes()
        assert not right.flags.writeable
    elif isinstance(left, tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, float) and math.isnan(left):
        assert math.isnan(right)
    else:
        assert left == right


def test_nested_record_survives_to_the_last_bit(tmp_path):
    record = receptor()
    save_record(record, tmp_path)
    assert_same(record, load_record(tmp_path))


def test_tuple_empty_arrays_none_and_nan_survive(tmp_path):
    pose = model.Pose("imatinib", "abl1", [[1.0, 2.0, math.inf]], "bound", features=(("hinge", 1.0),))
    row = model.ResistanceRow("ABL1", "P00519", "abl1-1iep", "T315I", "imatinib", message="no pose")
    detail = model.RowDetail(row, pose=pose)
    save_record((pose, detail), tmp_path)
    assert_same((pose, detail), load_record(tmp_path))
    assert math.isnan(load_record(tmp_path)[1].row.fold_change)
    assert load_record(tmp_path)[1].ligand is None


@given(st.lists(st.floats(width=64), min_size=1, max_size=6), st.text(max_size=8), st.integers(-(2**62), 2**62))
def test_any_numbers_and_text_survive(values, text, number):
    files = record_files(model.Pose(text, "r", [[v, v, v] for v in values], "vina", score=values[0], rank=number))
    content = json.loads(files[JSON_FILE])["record"]["fields"]
    assert content["ligand"] == text
    assert content["rank"] == number


def test_bytes_and_fingerprint_are_the_same_for_equal_records():
    assert record_files(receptor()) == record_files(receptor())
    assert fingerprint(receptor()) == fingerprint(receptor())


def test_fingerprint_sees_the_last_bit_and_the_sign_of_zero():
    x = 0.1
    assert fingerprint(receptor(x)) != fingerprint(receptor(np.nextafter(x, 1)))
    assert fingerprint(receptor(0.0)) != fingerprint(receptor(-0.0))
    assert fingerprint(model.Estimate(1.0, 0.5)) != fingerprint(model.Estimate(0.5, 1.0))


def test_every_record_class_of_the_model_is_known():
    save_types = [v for v in vars(model).values() if isinstance(v, type) and dataclasses.is_dataclass(v)]
    for record_class in save_types:
        assert register(record_class) is record_class


def test_what_cannot_be_stored_is_refused_by_name():
    with pytest.raises(TypeError, match=r"record\.notes\.0: a value of type dict"):
        record_files(dataclasses.replace(receptor(), notes=({"a": 1},)))

    @dataclasses.dataclass
    class Pose:
        x: int

    with pytest.raises(TypeError, match="Pose is not a registered record"):
        record_files(Pose(1))
    with pytest.raises(TypeError, match="registered already"):
        register(Pose)
    with pytest.raises(TypeError, match="not a dataclass"):
        register(int)


@pytest.mark.parametrize("name", [JSON_FILE, ARRAY_FILE])
@pytest.mark.parametrize("keep", [0, 10, -20])
def test_truncated_file_is_an_error_that_names_the_folder(tmp_path, name, keep):
    save_record(receptor(), tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[:keep])
    with pytest.raises(StoreError, match=str(tmp_path)):
        load_record(tmp_path)


def test_missing_array_file_and_other_version_are_errors(tmp_path):
    save_record(receptor(), tmp_path)
    (tmp_path / ARRAY_FILE).unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        load_record(tmp_path)
    save_record(model.Estimate(1.0, 0.0), tmp_path)
    content = json.loads((tmp_path / JSON_FILE).read_text())
    (tmp_path / JSON_FILE).write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(StoreError, match="record format 99"):
        load_record(tmp_path)


def test_unwritable_folder_is_a_store_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        save_record(model.Estimate(1.0, 0.0), tmp_path / "file")


def test_canonical_json_is_independent_of_order_and_refuses_nan():
    assert canonical_json({"b": [1, 2.5], "a": "Å"}) == '{"a":"\\u00c5","b":[1,2.5]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(math.nan)
