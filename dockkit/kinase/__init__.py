"""Kinase knowledge: who a sequence is, where its motifs are, and which state a structure is in."""

from __future__ import annotations

from dockkit.kinase.conformation import measure_conformation
from dockkit.kinase.numbering import identify_kinase, map_to_uniprot
from dockkit.kinase.table import POCKET_LENGTH, known_kinases, load_kinase, motifs

__all__ = [
    "POCKET_LENGTH",
    "identify_kinase",
    "known_kinases",
    "load_kinase",
    "map_to_uniprot",
    "measure_conformation",
    "motifs",
]
