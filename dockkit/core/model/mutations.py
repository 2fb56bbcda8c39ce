"""Substitutions, variants and the side chains built for them."""

from __future__ import annotations

from dataclasses import dataclass

from dockkit.core.model.proteins import Receptor


@dataclass(frozen=True, slots=True, order=True)
class Substitution:
    """One amino-acid replacement, e.g. T315I; letters are one-letter codes."""

    number: int
    wild_type: str
    mutant: str
    chain: str = ""
    insertion_code: str = ""

    @property
    def label(self) -> str:
        """Short form, e.g. ``T315I``."""
        return f"{self.wild_type}{self.number}{self.insertion_code}{self.mutant}"


@dataclass(frozen=True, slots=True)
class Variant:
    """One or more substitutions made together; empty for the wild type."""

    substitutions: tuple[Substitution, ...] = ()

    @property
    def label(self) -> str:
        """Short form, e.g. ``L858R/T790M``; ``wild-type`` where empty."""
        return "/".join(item.label for item in self.substitutions) or "wild-type"

    @property
    def reversed_to_wild_type(self) -> Variant:
        """The same sites with every residue kept: the wild type through the same path."""
        return Variant(
            tuple(
                Substitution(s.number, s.wild_type, s.wild_type, s.chain, s.insertion_code) for s in self.substitutions
            )
        )


@dataclass(frozen=True, slots=True)
class SideChainModel:
    """One way the substituted side chains may stand.

    Parameters
    ----------
    receptor : Receptor
        The whole receptor with the substitution made, hydrogens included.
    score : float
        Rotamer score, kcal/mol, lower is better; comparable only within one variant.
    rotamers : tuple of str
        What was chosen for each site and each repacked neighbour, e.g. ``I315 chi 60 170``.
    probability : float
        Library probability of the rotamer(s), 0 to 1.
    clashes : tuple of str
        What is still too near, or passes through a ring, one sentence each.
    charge_change : int
        Formal charge of the model less that of the receptor it was built in, e.
    """

    receptor: Receptor
    score: float
    rotamers: tuple[str, ...]
    probability: float
    clashes: tuple[str, ...] = ()
    charge_change: int = 0
