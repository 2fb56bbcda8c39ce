"""What a sequence or a structure is: kinase domains, landmarks, numbering, conformation."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from Bio import SeqIO

from dockkit import __version__
from dockkit.core.errors import InputError, StructureError
from dockkit.core.model import Annotation, Change, Conformation, KinaseDomain
from dockkit.kinase import annotate_sequence, load_kinase
from dockkit.pipeline.prepare import bare_receptor, find_structure, identify, with_conformation
from dockkit.report.preparation import change_rows
from dockkit.structure import RawStructure, catalogue, list_chains, read_structure

FASTA_SUFFIXES: Final = (".fa", ".fasta", ".faa", ".seq")
SHORTEST_SEQUENCE: Final = 30
"""A word of this many amino-acid letters is taken for a sequence."""

LANDMARKS: Final = (
    "gatekeeper", "catalytic_lysine", "alpha_c_glutamate", "p_loop", "hinge", "hrd", "dfg", "activation_loop"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Annotated:
    """One sequence, or one chain of a structure.

    Parameters
    ----------
    label : str
        ``chain A``, the name of a FASTA record, or a gene.
    sequence : str
    annotation : Annotation
        In the chain's own numbers.
    conformation : Conformation or None
        None for a sequence, or where it cannot be measured.
    changes : tuple of Change
        Engineered residues and tags.
    """

    label: str
    sequence: str
    annotation: Annotation
    conformation: Conformation | None = None
    changes: tuple[Change, ...] = ()


def annotate_input(text: str, *, chain: str = "", cache: str | Path | None = None) -> tuple[Annotated, ...]:
    """Annotate whatever a user names.

    Parameters
    ----------
    text : str
        A FASTA file; a structure as in ``find_structure``; a gene or UniProt accession of the table; a sequence.
    chain : str
        Author chain of a structure; empty takes every protein chain.
    cache : str or Path, optional
        Folder for downloads.

    Returns
    -------
    tuple of Annotated

    Raises
    ------
    InputError
        Nothing of that name, or it cannot be read.
    """
    path = Path(text)
    if _is_fasta(path):
        return _from_fasta(path)
    if not _is_file(path) and not any(entry.name == text.lower() for entry in catalogue()):
        try:
            kinase = load_kinase(text)
        except InputError:
            pass
        else:
            return (
                Annotated(f"{kinase.gene} ({kinase.uniprot})", kinase.sequence, annotate_sequence(kinase.sequence)),
            )
        word = "".join(text.split()).upper()
        if len(word) >= SHORTEST_SEQUENCE and word.isalpha():
            return (Annotated("sequence", word, annotate_sequence(word)),)
    return _from_structure(find_structure(text, cache)[0].path, chain)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _is_fasta(path: Path) -> bool:
    if not _is_file(path):
        return False
    if path.suffix.lower() in FASTA_SUFFIXES:
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(1) == b">"
    except OSError:
        return False


def _from_fasta(path: Path) -> tuple[Annotated, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StructureError(f"{path}: not a readable FASTA file ({error})") from error
    start = text.find(">")
    parsed = SeqIO.parse(StringIO(text[max(start, 0) :]), "fasta") if start >= 0 else ()  # type: ignore[no-untyped-call]
    records = [(str(record.id), str(record.seq).upper().rstrip("*")) for record in parsed]
    if not any(sequence for _, sequence in records):
        raise StructureError(f"{path}: no sequence in it; a FASTA file starts each with a line '>name'")
    return tuple(Annotated(name, sequence, annotate_sequence(sequence)) for name, sequence in records)


def _from_structure(path: Path, chain: str) -> tuple[Annotated, ...]:
    names = [chain] if chain else [summary.name for summary in list_chains(path)]
    return tuple(_chain(read_structure(path, name)) for name in names)


def _chain(raw: RawStructure) -> Annotated:
    annotation = annotate_sequence(raw.sequence, segments=raw.segments, numbers=raw.author_numbers)
    label = f"chain {raw.chain or '(blank)'}"
    try:
        who = identify(raw)
    except StructureError:
        return Annotated(label, raw.sequence, annotation)
    receptor = with_conformation(bare_receptor(raw, who.kinase, who.uniprot_numbers), who.kinase)
    return Annotated(label, raw.sequence, annotation, receptor.conformation, who.changes)


# ------------------------------------------------------------------------------------------------------- outputs


def annotation_text(found: tuple[Annotated, ...]) -> str:
    """Return what was found as text; residue numbers are the chain's own, UniProt's behind them where they differ."""
    lines: list[str] = []
    for item in found:
        lines.append(f"{item.label}, {item.annotation.length} residues: {item.annotation.statement}")
        if item.annotation.offset:
            lines.append(f"  numbering          {item.annotation.offset}")
        for domain in item.annotation.domains:
            lines += _domain_lines(domain)
        lines += _conformation_lines(item.conformation)
        lines += [f"  {change.kind:17}  {change.sentence}" for change in item.changes]
        lines.append("")
    return "\n".join(lines)


def _domain_lines(domain: KinaseDomain) -> list[str]:
    lines = [f"  domain             {domain.first}-{domain.last} ({domain.family}, {domain.score_bits:.0f} bits)"]
    letters = {residue.number: residue for residue in domain.pocket if residue.number is not None}
    for name, numbers in domain.motifs:
        if name not in LANDMARKS or not numbers:
            continue
        words = [_residue(number, letters) for number in (numbers if len(numbers) <= 6 else numbers[:1] + numbers[-1:])]
        lines.append(
            f"  {name.replace('_', ' '):17}  " + (" ".join(words) if len(numbers) <= 6 else " to ".join(words))
        )
    if domain.pocket:
        sequence = "".join(residue.letter for residue in domain.pocket)
        lines.append(f"  pocket (KLIFS 85)  {sequence}")
    if domain.replaced:
        lines.append(f"  replaced           {'; '.join(domain.replaced)}")
    return lines


def _residue(number: int, letters: dict[int, Any]) -> str:
    residue = letters.get(number)
    if residue is None:
        return str(number)
    uniprot = residue.uniprot_number
    return f"{residue.letter}{number}" + (f" (UniProt {uniprot})" if uniprot and uniprot != number else "")


def _conformation_lines(state: Conformation | None) -> list[str]:
    if state is None:
        return []
    measures = ", ".join(f"{name.replace('_', ' ')} {value:.1f}" for name, value in state.measures)
    angles = ", ".join(f"{name.replace('_', ' ')} {value:.0f}" for name, value in state.angles)
    return [
        f"  conformation       DFG {state.dfg}, alpha-C {state.alpha_c}, Lys-Glu salt bridge {state.salt_bridge}, "
        f"regulatory spine {state.spine}, activation loop {state.activation_loop}",
        f"  distances (A)      {measures or 'none could be measured'}",
        f"  angles (degrees)   {angles or 'none could be measured'}",
    ]


def annotation_record(text: str, found: tuple[Annotated, ...]) -> dict[str, Any]:
    """Return what was found, JSON-able.

    Parameters
    ----------
    text : str
        What the user named.
    found : tuple of Annotated
    """
    return {
        "dockkit": __version__,
        "input": text,
        "chains": [
            {
                "label": item.label,
                "length": item.annotation.length,
                "statement": item.annotation.statement,
                "is_protein_kinase": item.annotation.is_protein_kinase,
                "numbering": item.annotation.offset or None,
                "domains": [_domain_record(domain) for domain in item.annotation.domains],
                "conformation": _conformation_record(item.conformation),
                "changes": change_rows(item.changes),
            }
            for item in found
        ],
    }


def _domain_record(domain: KinaseDomain) -> dict[str, Any]:
    return {
        "family": domain.family,
        "kinase": domain.kinase or None,
        "uniprot": domain.uniprot or None,
        "closest": domain.closest or None,
        "identity": round(domain.identity, 3),
        "first": domain.first,
        "last": domain.last,
        "score_bits": round(domain.score_bits, 1),
        "e_value": domain.e_value,
        "motifs": {name: list(numbers) for name, numbers in domain.motifs},
        "pocket": [
            {
                "position": r.position, "region": r.region, "letter": r.letter, "number": r.number,
                "uniprot_number": r.uniprot_number or None,
            }
            for r in domain.pocket
        ],
        "replaced": list(domain.replaced),
        "pseudokinase": domain.pseudokinase,
    }  # fmt: skip


def _conformation_record(state: Conformation | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "dfg": state.dfg,
        "alpha_c": state.alpha_c,
        "salt_bridge": state.salt_bridge,
        "spine": state.spine,
        "spine_residues": list(state.spine_residues),
        "activation_loop": state.activation_loop,
        "activation_loop_missing": state.activation_loop_missing,
        "distances_angstrom": {name: round(value, 3) for name, value in state.measures},
        "angles_degrees": {name: round(value, 1) for name, value in state.angles},
    }
