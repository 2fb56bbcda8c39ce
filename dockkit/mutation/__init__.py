"""Mutations: read the notation, check it against a structure, build the side chains."""

from dockkit.mutation.build import build_variant
from dockkit.mutation.check import check_variant, site_indices
from dockkit.mutation.notation import parse_variant

__all__ = ["build_variant", "check_variant", "parse_variant", "site_indices"]
