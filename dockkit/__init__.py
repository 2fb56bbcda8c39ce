"""dockkit: structural docking analysis of drug resistance in protein kinases."""

from __future__ import annotations

__version__ = "0.1.0"
