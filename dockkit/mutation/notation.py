"""Read mutations as people write them."""

from __future__ import annotations

import re
from typing import Final

from dockkit.core.errors import MutationError
from dockkit.core.model import Substitution, Variant
from dockkit.core.residues import one_letter, parent_name, three_letter

EXAMPLES: Final = "write for example T315I, p.Thr315Ile, A:T315I, THR-315-ILE or L858R/T790M"

_LETTER = r"[A-Za-z]{3}|[A-Za-z]"
_SINGLE: Final = re.compile(rf"^({_LETTER})?[-:_ ]?(\d+)([A-Za-z]?)[-:_ ]?({_LETTER}|=)$")
_SINGLE_NO_CODE: Final = re.compile(rf"^({_LETTER})?[-:_ ]?(\d+)()[-:_ ]?({_LETTER}|=)$")
_CHAIN: Final = re.compile(r"^([A-Za-z0-9]{1,2}):(.+)$")
_REFERENCE: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_.()-]{2,}:(?=.)")
_GENE_CALL: Final = re.compile(r"^([A-Za-z][A-Za-z0-9_-]*)\s*\(([^()]+)\)$")

_REFUSED: Final = (
    (re.compile(r"fs", re.I), "a frameshift"),
    (re.compile(r"delins|indel", re.I), "a deletion with insertion"),
    (re.compile(r"del|Δ", re.I), "a deletion"),
    (re.compile(r"ins", re.I), "an insertion"),
    (re.compile(r"dup|itd", re.I), "a duplication"),
    (re.compile(r"ter$|\*|stop$|(?<=\d)X$", re.I), "a stop codon"),
    (re.compile(r"ext", re.I), "an extension"),
    (re.compile(r"fusion|::", re.I), "a fusion"),
    (re.compile(r"^(?:[\w.]+:)?[cgmnr]\.\d|>", re.I), "a change of DNA or RNA, not of the protein"),
)


def _refuse(text: str, item: str) -> None:
    for pattern, what in _REFUSED:
        if pattern.search(item):
            raise MutationError(
                f"'{text}': {item} is {what}; dockkit builds amino-acid substitutions only ({EXAMPLES})"
            )


def _letter(code: str, text: str) -> str:
    if not code:
        return ""
    letter = one_letter(code.upper()) if len(code) == 3 and parent_name(code.upper()) == code.upper() else code.upper()
    if len(letter) != 1 or not three_letter(letter):
        raise MutationError(f"'{text}': '{code}' is not one of the twenty amino acids; {EXAMPLES}")
    return letter


def _parse_one(item: str, text: str) -> Substitution:
    body = item.strip()
    chain = ""
    called = _GENE_CALL.match(body)
    if called and not body.lower().startswith("p.("):
        body = called.group(2).strip()
    while match := _REFERENCE.match(body):
        if re.match(rf"^({_LETTER}):\d", body):
            break
        body = body[match.end() :].strip()
    if (match := _CHAIN.match(body)) and not re.match(r"^[A-Za-z]:\d+:?[A-Za-z]$", body):
        chain, body = match.group(1), match.group(2).strip()
    if body[:2].lower() == "p.":
        body = body[2:].strip()
    body = body.strip("()[] ")
    _refuse(text, body)
    found = _SINGLE_NO_CODE.match(body) or _SINGLE.match(body)
    if not found:
        raise MutationError(f"'{text}': '{item.strip()}' is not a substitution; {EXAMPLES}")
    first, number, code, last = found.groups()
    wild_type = _letter(first or "", text)
    mutant = wild_type if last == "=" else _letter(last, text)
    if not mutant:
        raise MutationError(f"'{text}': say which amino acid stays, for example T315T")
    return Substitution(int(number), wild_type, mutant, chain, code.upper())


def parse_variant(text: str) -> Variant:
    """Read one or more substitutions.

    Parameters
    ----------
    text : str
        ``T315I``, ``p.Thr315Ile``, ``p.(Thr315Ile)``, ``NP_005148.2:p.Thr315Ile``, ``A:T315I``, ``A:315:ILE``
        (no wild type: ``wild_type`` is empty), ``THR-315-ILE``, ``ABL1(T315I)``, several joined by ``/``, ``,``, ``;``
        or ``+``, and ``T315T`` or ``p.Thr315=`` for the control that changes nothing. A prefix of one or two characters
        before a colon is a chain; a longer one is a gene or sequence name and is not kept.

    Returns
    -------
    Variant
        In the order written.

    Raises
    ------
    MutationError
        Not a substitution (deletions, insertions, frameshifts, stops and so on are named), an unknown amino acid, or
        one residue given twice.
    """
    body = text.strip()
    if not body:
        raise MutationError(f"the mutation is empty; {EXAMPLES}")
    if "::" in body:
        _refuse(text, body)
    called = _GENE_CALL.match(body)
    if called and not body.lower().startswith("p.("):
        body = called.group(2)
    prefix = re.match(r"^((?:[^:\[\]]+:)?p\.)\[(.+)\]$", body)
    if prefix:
        body = prefix.group(2)
    items = [item for item in re.split(r"\s*[/,;+&]\s*", body) if item.strip()]
    if not items:
        raise MutationError(f"'{text}': no mutation in it; {EXAMPLES}")
    substitutions = tuple(_parse_one(item, text) for item in items)
    seen: set[tuple[int, str, str]] = set()
    for one in substitutions:
        key = (one.number, one.insertion_code, one.chain)
        if key in seen:
            raise MutationError(f"'{text}': residue {one.number}{one.insertion_code} is given twice")
        seen.add(key)
    return Variant(substitutions)
