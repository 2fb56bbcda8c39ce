"""Records on disk: one JSON file for what is nested or scalar, one NPZ file for the arrays.

Any record of ``core/model`` (or a tuple of them) is written and read without code of its own. The bytes are the
same for equal records, floats keep full precision, NaN and infinity survive, and a fingerprint names the content.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import io
import json
import math
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dockkit.core import model
from dockkit.core.errors import StoreError
from dockkit.core.files import atomic_write_bytes

RECORD_FORMAT: Final = 1
"""Version of the files written here; a store entry of another version is computed anew."""

JSON_FILE: Final = "record.json"
ARRAY_FILE: Final = "arrays.npz"

_CLASSES: dict[str, type[Any]] = {
    name: item for name, item in vars(model).items() if isinstance(item, type) and dataclasses.is_dataclass(item)
}
_NOT_FINITE: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def register(record_class: type[Any]) -> type[Any]:
    """Make a dataclass outside ``core/model`` known by its name; usable as a decorator.

    Parameters
    ----------
    record_class : type
        A dataclass whose fields are scalars, strings, tuples, arrays or records.

    Returns
    -------
    type
        The same class.

    Raises
    ------
    TypeError
        Not a dataclass, or the name belongs to another class.
    """
    name = record_class.__name__
    if not dataclasses.is_dataclass(record_class):
        raise TypeError(f"{name} is not a dataclass")
    if _CLASSES.setdefault(name, record_class) is not record_class:
        raise TypeError(f"a record named {name} is registered already")
    return record_class


def canonical_json(value: Any) -> str:
    """Return JSON that is the same text for equal values: sorted keys, no spaces, ASCII.

    Parameters
    ----------
    value : JSON-able
        None, bool, int, finite float, str, and lists, tuples and dicts with string keys of them.

    Returns
    -------
    str
        One line.

    Raises
    ------
    TypeError, ValueError
        A part is not JSON-able, or a float is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _encode(value: Any, path: str, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufU":
            raise TypeError(f"{path}: an array of type {value.dtype} cannot be stored")
        arrays[path] = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return {"$array": path}
    if isinstance(value, tuple):
        return [_encode(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f"{path}: {name} is not a registered record")
        fields = {
            f.name: _encode(getattr(value, f.name), f"{path}.{f.name}", arrays) for f in dataclasses.fields(value)
        }
        return {"$record": name, "fields": fields}
    raise TypeError(f"{path}: a value of type {type(value).__name__} cannot be stored")


def _decode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return _NOT_FINITE[value["$float"]]
    if "$array" in value:
        return arrays[value["$array"]]
    record_class = _CLASSES[value["$record"]]
    return record_class(**{name: _decode(item, arrays) for name, item in value["fields"].items()})


def _npz_bytes(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return an NPZ archive without compression and with a fixed date, so that equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, arrays[name], version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), member.getvalue())
    return buffer.getvalue()


@lru_cache(maxsize=4096)
def _npy_header(text: bytes) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Return type, shape and order in the header of an NPY file; equal headers, which are many, are read once."""
    header = ast.literal_eval(text.decode("latin1"))
    dtype = np.dtype(header["descr"])
    if dtype.hasobject:
        raise ValueError("an array of Python objects is not read")
    return dtype, tuple(header["shape"]), bool(header["fortran_order"])


def _array_from(data: bytes) -> NDArray[Any]:
    """Return the array in an NPY file of version 1, as :func:`_npz_bytes` writes; numpy's own reader is slower."""
    if data[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not an NPY file of version 1")
    start = 10 + int.from_bytes(data[8:10], "little")
    dtype, shape, in_columns = _npy_header(data[10:start])
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if in_columns else "C")


def record_files(record: Any) -> dict[str, bytes]:
    """Return the files that hold a record, by name.

    Parameters
    ----------
    record : dataclass or tuple of dataclasses
        A record of ``core/model``.

    Returns
    -------
    dict of str to bytes
        ``record.json``, and ``arrays.npz`` where the record has arrays.

    Raises
    ------
    TypeError
        The record holds something that is no scalar, string, tuple, array or registered record.
    """
    arrays: dict[str, NDArray[Any]] = {}
    content = {"format": RECORD_FORMAT, "record": _encode(record, "record", arrays)}
    files = {JSON_FILE: (canonical_json(content) + "\n").encode("ascii")}
    if arrays:
        files[ARRAY_FILE] = _npz_bytes(arrays)
    return files


def save_record(record: Any, folder: Path) -> None:
    """Write a record into a folder.

    Parameters
    ----------
    record : dataclass or tuple of dataclasses
        A record of ``core/model``.
    folder : Path
        Where ``record.json`` and ``arrays.npz`` go.

    Raises
    ------
    StoreError
        The files cannot be written.
    TypeError
        The record holds something that cannot be stored.
    """
    for name, data in record_files(record).items():
        atomic_write_bytes(folder / name, data)


def load_record(folder: Path) -> Any:
    """Read what :func:`save_record` wrote.

    Parameters
    ----------
    folder : Path
        The folder of the record.

    Returns
    -------
    dataclass or tuple of dataclasses
        Equal to what was saved, to the last bit.

    Raises
    ------
    StoreError
        A file is missing, damaged or of another format version.
    """
    try:
        content = json.loads((folder / JSON_FILE).read_bytes())
        if content["format"] != RECORD_FORMAT:
            raise StoreError(f"{folder}: record format {content['format']}, this dockkit reads {RECORD_FORMAT}")
        arrays: dict[str, NDArray[Any]] = {}
        if (folder / ARRAY_FILE).exists():
            data = io.BytesIO((folder / ARRAY_FILE).read_bytes())
            with zipfile.ZipFile(data) as archive:
                arrays = {name.removesuffix(".npy"): _array_from(archive.read(name)) for name in archive.namelist()}
        return _decode(content["record"], arrays)
    except StoreError:
        raise
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{folder}: the record cannot be read ({type(error).__name__}: {error})") from error


def fingerprint(record: Any) -> str:
    """Return the sha256 of a record's content.

    Parameters
    ----------
    record : dataclass or tuple of dataclasses
        A record of ``core/model``.

    Returns
    -------
    str
        64 hexadecimal digits; equal for equal records on any machine.
    """
    arrays: dict[str, NDArray[Any]] = {}
    digest = hashlib.sha256(canonical_json(_encode(record, "record", arrays)).encode("ascii"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode("ascii"))
        digest.update(array.tobytes())
    return digest.hexdigest()
