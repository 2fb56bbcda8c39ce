"""Structures: read a file, choose a chain, repair and protonate it; the bundled library."""

from dockkit.core.model import HetGroup
from dockkit.structure.library import catalogue, find_entry
from dockkit.structure.prepare import prepare_receptor
from dockkit.structure.reading import RawStructure, extract_het, read_structure

__all__ = [
    "HetGroup",
    "RawStructure",
    "catalogue",
    "extract_het",
    "find_entry",
    "prepare_receptor",
    "read_structure",
]
