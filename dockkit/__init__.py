"""dockkit: structural docking analysis of drug resistance in protein kinases.

``dockkit.run_study`` and ``dockkit.compare`` are the Python API; ``import dockkit`` alone loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_API = ("Study", "StudyResult", "compare", "read_study", "run_study")

__all__ = ["__version__", *_API]


def __getattr__(name: str) -> Any:
    """Load the API when one of its names is first asked for."""
    if name in _API:
        return getattr(import_module("dockkit.api"), name)
    raise AttributeError(f"module 'dockkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_API])
