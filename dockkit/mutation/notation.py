"""Read mutations as people write them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from dockkit.core.errors import MutationError
from dockkit.core.model import Substitution, Variant
from dockkit.core.residues import one_letter, parent_name, three_letter

EXAMPLES: Final = "write for example T315I, p.Thr315Ile, A:T315I, THR-315-ILE or L858R/T790M"

_LETTER = r"[A-Za-z]{3}|[A-Za-z]"
_SINGLE: Final = re.compile(rf"^({_LETTER})?([-:_ ]?)(\d+)([A-Za-z]?)([-:_ ]?)({_LETTER}|=)$")
_SINGLE_NO_CODE: Final = re.compile(rf"^({_LETTER})?([-:_ ]?)(\d+)()([-:_ ]?)({_LETTER}|=)$")
_BRACKETED_NUMBER: Final = re.compile(rf"^({_LETTER})\((\d+)\)({_LETTER})$")
_ARROW: Final = re.compile(rf"^((?:{_LETTER})[-_ ]?\d+[A-Za-z]?)\s*(?:->|=>|>|\bto\b)\s*({_LETTER})$", re.I)
_CHAIN: Final = re.compile(r"^([A-Za-z0-9]{1,2}):(.+)$")
_REFERENCE: Final = re.compile(r"^[A-Za-z][A-Za-z0-9_.()-]{2,}:(?=.)")
_GENE_CALL: Final = re.compile(r"^([A-Za-z][A-Za-z0-9_-]*)\s*\(([^()]+)\)$")
_GENE_WORD: Final = re.compile(
    r"^([A-Za-z][A-Za-z0-9]{2,}(?:-[A-Za-z][A-Za-z0-9]{2,})?)[\s_-]+(?=(?:p\.)?\(?[A-Za-z]{1,3}-?\d)"
)
_ACCESSION: Final = re.compile(
    r"^(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2}|(?:NM|NP|XM|XP|NG|NC|LRG)[_\d.]+|ENS[GTP]\d+)"
)
_CHAIN_WORD: Final = re.compile(r"^chain\s+([A-Za-z0-9]{1,2})[\s:,]+", re.I)
_LEADING: Final = re.compile(r"^(?:del|ins|dup)\b", re.I)
_PROTEIN_PART: Final = re.compile(r"\(\s*(p\.[^()]*(?:\([^()]*\)[^()]*)?)\)")
_FILLER: Final = re.compile(r"\b(?:mutants?|mutations?|variants?|substitutions?|double|triple|compound)\b", re.I)
_WORD_SPLIT: Final = re.compile(rf"(?<=\d)((?:{_LETTER}))(?:\s+|-)(?=(?:p\.)?\(?(?:{_LETTER})\d+(?:{_LETTER}))")
_DASHES: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_ARROWS: Final = dict.fromkeys(map(ord, "\u2192\u2794\u27a1\u21d2\u2b62\u279c"), ">")

_WILD: Final = (re.compile(r"^(?:wild[-_ ]?type|wt|none|native|unmutated)$", re.I), "the wild type")
_REFUSED: Final = (
    (re.compile(r"fs", re.I), "a frameshift"),
    (re.compile(r"delins|indel|^[A-Z][a-z]{0,2}\d+[_-][A-Z][a-z]{0,2}\d+>", re.I), "a deletion with insertion"),
    (re.compile(r"splice|skip|IVS\d", re.I), "a splice variant"),
    (re.compile(r"EGFRv(?:III|3)\b|^v(?:III|3)$", re.I), "a deletion of whole exons (EGFRvIII)"),
    (re.compile(r"del|\u0394|\u2206", re.I), "a deletion"),
    (re.compile(r"ins(?!\d)", re.I), "an insertion"),
    (re.compile(r"dup|itd", re.I), "a duplication"),
    (re.compile(r"ext", re.I), "an extension"),
    (re.compile(r"^(?:p\.)?(?:0\??|Met1\?|M1\?)$", re.I), "a loss of the protein or of its start"),
    (re.compile(r"ter$|\*|stop$|(?<=\d)X$", re.I), "a stop codon"),
    (re.compile(r"fusion|::|rearrange|transloc", re.I), "a fusion"),
    (re.compile(r"\bamp(?:lif\w*)?\b|copy[- ]?number|overexpress", re.I), "a change of the gene's copy number"),
    (re.compile(r"^(?:rs\d+|COS[MV]\d+)$", re.I), "a database identifier"),
    (re.compile(r"^(?:[\w.]+:)?[cgmnr]\.[\d*(-]|^\d+[ACGTU]+>|^chr\w+[:-]", re.I),
     "a change of DNA or RNA, not of the protein"),
    (re.compile(r"\?$"), "a change with unknown effect"),
    (re.compile(r"exon|^ex\d", re.I), "a change named by its exon"),
)  # fmt: skip

_FOLDX: Final = re.compile(r"^([A-Z])([A-Z])(\d+)([A-Z])$")
_GLUED: Final = re.compile(r"^([A-Z][A-Z0-9]{2,})([ACDEFGHIKLMNPQRSTVWY]\d{2,}[ACDEFGHIKLMNPQRSTVWY])$", re.I)


def _plain(text: str) -> str:
    """Return the text with one kind of dash, arrow and blank, without quotes around it."""
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES).translate(_ARROWS)
    return re.sub(r"\s+", " ", folded).strip(" \"'`\u201c\u201d\u2018\u2019").rstrip(". ")


def _is_residue(word: str) -> bool:
    """Tell whether a word is a residue with its number, such as T315 or Thr315I, and so no gene."""
    match = re.match(rf"^({_LETTER})\d+[A-Za-z]{{0,3}}$", word)
    return bool(match and (len(match.group(1)) == 1 or parent_name(match.group(1).upper()) == match.group(1).upper()))


def _refuse(text: str, item: str, body: str) -> None:
    for pattern, what in _REFUSED:
        if pattern.search(body):
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


def _unreadable(text: str, item: str, body: str) -> MutationError:
    """Return the error for what looks like no substitution, with a hint where one can be given."""
    hint = EXAMPLES
    if match := _FOLDX.match(body):
        wild, chain, number, mutant = match.groups()
        hint = f"if it means chain {chain}, write {chain}:{wild}{number}{mutant}"
    elif match := _GLUED.match(body):
        hint = f"put a colon between gene and mutation: {match.group(1)}:{match.group(2)}"
    elif match := re.match(r"^([A-Za-z0-9])[-_./ ](.*\d.*)$", body):
        hint = f"if {match.group(1)} is a chain, write {match.group(1)}:{match.group(2)}"
    elif body.isdigit() or _is_residue(body):
        hint = f"say what the residue becomes, for example {body}A"
    elif re.match(rf"^(?:{_LETTER})$", body):
        hint = "alternatives at one residue (V600E/K) are separate variants; a chain is written A:T315I"
    return MutationError(f"'{text}': '{item}' is not a substitution; {hint}")


def _called(body: str) -> re.Match[str] | None:
    """Return gene and mutation of ``ABL1(T315I)``."""
    match = _GENE_CALL.match(body)
    return None if match is None or body.lower().startswith("p.(") or _is_residue(match.group(1)) else match


def _gene_word(body: str) -> re.Match[str] | None:
    """Return the gene in front of a mutation, as in ``ABL1 T315I``."""
    match = _GENE_WORD.match(body)
    if match is None or _is_residue(match.group(1)) or _SINGLE.match(body) or _ARROW.match(body):
        return None
    return match


def _split_chain(body: str) -> tuple[str, str]:
    """Return the chain and the rest; names of genes and sequences before a colon are dropped."""
    if called := _called(body):
        body = called.group(2).strip()
    while (match := _REFERENCE.match(body)) and not re.match(rf"^({_LETTER}):\d", body):
        body = body[match.end() :].strip()
    if word := _gene_word(body):
        body = body[word.end() :]
    if (match := _CHAIN.match(body)) and not re.match(r"^[A-Za-z]:\d+:?[A-Za-z]$", body):
        return match.group(1), match.group(2).strip()
    return "", body


def _parse_one(item: str, text: str) -> Substitution:
    item = item.strip()
    if _LEADING.match(item):
        _refuse(text, item, item)
    chain, body = _split_chain(_CHAIN_WORD.sub(r"\1:", item))
    if body[:2].lower() == "p.":
        body = body[2:].strip()
    if match := _BRACKETED_NUMBER.match(body):
        body = "".join(match.groups())
    body = body.strip("()[]{} ")
    if body in ("=", "p.="):
        raise MutationError(f"'{text}': '{item}' names no residue; for the control that changes none: T315T")
    if match := _ARROW.match(body):
        body = "".join(match.groups())
    _refuse(text, item, body)
    found = _SINGLE_NO_CODE.match(body) or _SINGLE.match(body)
    if not found:
        raise _unreadable(text, item, body)
    first, dash, number, code, second, last = found.groups()
    if dash == "-" and second != "-" and first is None:
        raise _unreadable(text, item, body)
    if dash == "-" and second != "-":
        raise MutationError(
            f"'{text}': '{item}' may mean residue -{number} or {number}; write {first}{number}{last}, or "
            f"{first}-{number}-{last}; negative numbers are not read"
        )
    wild_type = _letter(first or "", text)
    mutant = wild_type if last == "=" else _letter(last, text)
    if not mutant:
        raise MutationError(f"'{text}': say which amino acid stays, for example T315T")
    return Substitution(int(number), wild_type, mutant, chain, code.upper())


def _items(text: str) -> list[str]:
    """Return the single mutations of a text, each as written."""
    body = _plain(text)
    if not body:
        raise MutationError(f"the mutation is empty; {EXAMPLES}")
    if _WILD[0].match(body):
        raise MutationError(f"'{text}' is {_WILD[1]}; leave the mutation out, or write T315T for the control")
    if "::" in body:
        _refuse(text, body, body)
    if (part := _PROTEIN_PART.search(body)) and re.search(r"[cgmnr]\.[\d*-]", body):
        body = part.group(1)
    body = _FILLER.sub(" ", body).strip().lstrip("=: ")
    if called := _called(body):
        body = called.group(2)
    if prefix := re.match(r"^((?:[^:\[\]]+:)?p\.)\[(.+)\]$", body):
        body = prefix.group(2)
    body = _WORD_SPLIT.sub(r"\1/", body.replace("(;)", ";"))
    items = [item for item in re.split(r"\s*[/,;+&|]\s*|\s+and\s+", body) if item.strip()]
    if not items:
        raise MutationError(f"'{text}': no mutation in it; {EXAMPLES}")
    return items


def mentioned_gene(text: str) -> str:
    """Return the gene that a mutation is written with, in capitals, or '' where there is none.

    Parameters
    ----------
    text : str
        Such as ``ABL1(T315I)``, ``ABL1 T315I``, ``ABL1:p.T315I`` or ``NM_005157.6(ABL1):c.944C>T (p.Thr315Ile)``.
        Sequence accessions are no genes; of a fusion the last partner is returned.
    """
    body = _FILLER.sub(" ", _plain(text)).strip()
    if match := re.match(r"^(?:NM|NP|XM|XP|ENS[TP])[_\d.]+\(([A-Za-z][A-Za-z0-9-]+)\):", body):
        return match.group(1).upper()
    match = _called(body) or re.match(r"^([A-Za-z][A-Za-z0-9-]{2,})(?:\([\w.]+\))?:", body) or _gene_word(body)
    if not match or _ACCESSION.match(body) or re.match(rf"^({_LETTER}):\d", body):
        return ""
    return match.group(1).upper().rsplit("-", 1)[-1]


def parse_variant(text: str) -> Variant:
    """Read one or more substitutions.

    Parameters
    ----------
    text : str
        ``T315I``, ``p.Thr315Ile``, ``p.(Thr315Ile)``, ``NP_005148.2:p.Thr315Ile``, ``A:T315I``, ``A:315:ILE``
        (no wild type: ``wild_type`` is empty), ``THR-315-ILE``, ``ABL1(T315I)``, ``ABL1 T315I``, several joined by
        ``/``, ``,``, ``;``, ``+``, blanks or dashes, and ``T315T`` or ``p.Thr315=`` for the control that changes
        nothing. A prefix of one or two characters before a colon is a chain; a longer one is a gene or sequence name
        and is not kept (see ``mentioned_gene``). Of ClinVar's names the protein part is read.

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
    substitutions = tuple(_parse_one(item, text) for item in _items(text))
    seen: set[tuple[int, str, str]] = set()
    for one in substitutions:
        key = (one.number, one.insertion_code, one.chain)
        if key in seen:
            raise MutationError(f"'{text}': residue {one.number}{one.insertion_code} is given twice")
        seen.add(key)
    return Variant(substitutions)
