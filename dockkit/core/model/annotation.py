"""What a protein sequence is known to be: kinase domains, their motifs and what is replaced in them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PocketResidue:
    """One of the 85 positions of the KLIFS pocket.

    Parameters
    ----------
    position : int
        1 to 85.
    region : str
        KLIFS name of the region, such as ``hinge``.
    letter : str
        One-letter code in the chain; ``-`` for a gap or a residue that is not there.
    number : int or None
        The chain's own number; None where the chain has no such residue.
    uniprot_number : int
        0 where it is not known, or the kinase has a gap.
    index : int or None
        Place in the sequence, from 0.
    """

    position: int
    region: str
    letter: str
    number: int | None
    uniprot_number: int = 0
    index: int | None = None


@dataclass(frozen=True, slots=True)
class KinaseDomain:
    """One kinase domain found in a sequence.

    Parameters
    ----------
    family : str
        ``protein kinase``, or the name of another family of kinases.
    score_bits, e_value : float
        Of the profile (HMMER), for a search of one sequence.
    first, last : int
        The chain's own numbers of the first and last residue.
    first_index, last_index : int
        The same as places in the sequence, from 0, both included.
    kinase, uniprot : str
        Gene and accession where the table has the protein, otherwise empty.
    closest : str
        Gene of the most similar domain in the table.
    identity : float
        With ``closest``, over the positions that both have, 0 to 1.
    pocket : tuple of PocketResidue
        85 of them, or none for a family without a KLIFS pocket.
    motifs : tuple of (str, tuple of int)
        Named parts and the chain's own numbers: ``p_loop``, ``beta_3``, ``alpha_c``, ``hinge``, ``hrd``, ``dfg``,
        ``gatekeeper``, ``catalytic_lysine``, ``alpha_c_glutamate``, ``activation_loop``.
    replaced : tuple of str
        Conserved residues that are others here, such as ``HRD Asp is N``.
    pseudokinase : bool
        The Lys, the HRD Asp or the DFG Asp that catalysis needs is replaced.
    statement : str
        All of this in a sentence or two.
    """

    family: str
    score_bits: float
    e_value: float
    first: int
    last: int
    first_index: int
    last_index: int
    kinase: str = ""
    uniprot: str = ""
    closest: str = ""
    identity: float = 0.0
    pocket: tuple[PocketResidue, ...] = ()
    motifs: tuple[tuple[str, tuple[int, ...]], ...] = ()
    replaced: tuple[str, ...] = ()
    pseudokinase: bool = False
    statement: str = ""

    @property
    def gatekeeper(self) -> PocketResidue | None:
        """KLIFS position 45."""
        return self.pocket[44] if self.pocket else None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a sequence is.

    Parameters
    ----------
    length : int
        Residues in the sequence.
    domains : tuple of KinaseDomain
        In the order of the sequence; empty where there is none.
    uniprot_numbers : tuple of int
        Of each residue, 0 where it has none; empty where the protein is not in the table.
    offset : str
        How the chain's own numbers and UniProt's differ, in words; empty where UniProt's are not known.
    statement : str
        What the sequence is, in a sentence or two.
    """

    length: int
    domains: tuple[KinaseDomain, ...] = ()
    uniprot_numbers: tuple[int, ...] = ()
    offset: str = ""
    statement: str = ""

    @property
    def is_protein_kinase(self) -> bool:
        """Whether there is a domain of the protein kinase family."""
        return any(domain.family == "protein kinase" for domain in self.domains)
