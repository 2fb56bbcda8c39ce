"""Structures: read a file, choose a chain, repair and protonate it; the bundled library."""

from dockkit.core.model import HetGroup
from dockkit.structure.library import catalogue, find_entry
from dockkit.structure.prepare import Company, prepare_receptor
from dockkit.structure.reading import ChainSummary, RawStructure, extract_het, list_chains, read_structure

__all__ = [
    "ChainSummary",
    "Company",
    "HetGroup",
    "RawStructure",
    "catalogue",
    "extract_het",
    "find_entry",
    "list_chains",
    "prepare_receptor",
    "read_structure",
]
