"""Mutations: read the notation, check it against a structure, build the side chains, look at the result."""

from dockkit.mutation.build import build_variant
from dockkit.mutation.check import check_variant, site_indices
from dockkit.mutation.notation import mentioned_gene, parse_variant
from dockkit.mutation.quality import Clash, charge_change, find_clashes, find_threaded, residue_charge
from dockkit.mutation.waters import displaced_waters, without_waters

__all__ = [
    "Clash",
    "build_variant",
    "charge_change",
    "check_variant",
    "displaced_waters",
    "find_clashes",
    "find_threaded",
    "mentioned_gene",
    "parse_variant",
    "residue_charge",
    "site_indices",
    "without_waters",
]
