"""What every record is made of: array types, names of states, read-only arrays with checked shapes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
StrArray = NDArray[np.str_]

DfgState = Literal["in", "out", "inter", "unknown"]
HelixState = Literal["in", "out", "unknown"]
StateName = Literal["wild-type", "mutant"]
Numbering = Literal["uniprot", "author"]
BindingType = Literal["I", "I1/2", "II", "III", "IV", "nucleotide", "unknown"]


def frozen_array(values: ArrayLike, dtype: Any, shape: tuple[int | None, ...], what: str) -> NDArray[Any]:
    """Return a read-only copy with a checked shape.

    Parameters
    ----------
    values : array_like
        The data.
    dtype : numpy dtype
        Wanted type; ``str`` keeps the longest string.
    shape : tuple of int or None
        Wanted shape, None where any length is good.
    what : str
        Name for the error message.

    Returns
    -------
    ndarray
        C-contiguous, not writeable.

    Raises
    ------
    ValueError
        The shape does not fit.
    """
    array = np.array(values, dtype=dtype, copy=True, order="C")
    if array.size == 0:
        array = array.reshape(tuple(0 if n is None else n for n in shape))
    fits = array.ndim == len(shape) and all(n is None or n == m for n, m in zip(shape, array.shape, strict=False))
    if not fits:
        raise ValueError(f"{what} has shape {array.shape}, expected {shape}")
    array.setflags(write=False)
    return array


def freeze(record: object, name: str, dtype: Any, shape: tuple[int | None, ...]) -> None:
    """Replace one array of a frozen record by its read-only copy with a checked shape."""
    value = frozen_array(getattr(record, name), dtype, shape, f"{type(record).__name__}.{name}")
    object.__setattr__(record, name, value)
