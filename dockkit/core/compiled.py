"""Machine code from Python functions, kept for the next process where a folder for it can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
T = TypeVar("T")

_FAST: Final = {"reassoc", "contract", "arcp", "nsz"}
"""Liberties of arithmetic that let sums run in vectors; infinities and NaN keep their meaning."""


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a function of numbers and NumPy arrays when it is first called.

    A loop that both sums and stores may be cut into vectors in one way or another by where its arrays lie in memory;
    two runs then differ in the last digit. Keep the two apart.

    Parameters
    ----------
    function : callable
        What Numba's nopython mode takes.

    Returns
    -------
    callable
        The same function.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
    try:
        made: Callable[P, T] = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        made = numba.njit(**options)(function)
    return made
