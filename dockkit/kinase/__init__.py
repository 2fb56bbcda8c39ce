"""Kinase knowledge: who a sequence is, where its motifs are, and which state a structure is in."""

from __future__ import annotations

from dockkit.kinase.annotate import KLIFS_REGIONS, annotate_sequence, kinase_from_annotation
from dockkit.kinase.conformation import measure_conformation
from dockkit.kinase.construct import construct_changes, describe_offset, sequence_differences
from dockkit.kinase.numbering import identify_kinase, map_to_uniprot
from dockkit.kinase.table import POCKET_LENGTH, known_kinases, load_kinase, motifs

__all__ = [
    "KLIFS_REGIONS",
    "POCKET_LENGTH",
    "annotate_sequence",
    "construct_changes",
    "describe_offset",
    "identify_kinase",
    "kinase_from_annotation",
    "known_kinases",
    "load_kinase",
    "map_to_uniprot",
    "measure_conformation",
    "motifs",
    "sequence_differences",
]
