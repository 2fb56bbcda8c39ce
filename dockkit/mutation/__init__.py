"""Mutations: read the notation, check it against a structure, build the side chains."""

from dockkit.mutation.build import build_variant
from dockkit.mutation.check import check_variant, site_indices
from dockkit.mutation.notation import parse_variant
from dockkit.mutation.waters import displaced_waters, without_waters

__all__ = [
    "build_variant",
    "check_variant",
    "displaced_waters",
    "parse_variant",
    "site_indices",
    "without_waters",
]
