"""Lists of mutations as people have them: written out, in a table, or in the MAF file of a cohort."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from dockkit.core.errors import InputError, MutationError
from dockkit.core.model import Kinase, Numbering, Substitution, Variant
from dockkit.core.model.panels import RefusedRow
from dockkit.mutation import parse_variant
from dockkit.pipeline.variants import check_against_sequence, check_gene, with_wild_type

MUTATION_COLUMNS: Final = (
    "hgvsp_short", "protein_change", "hgvsp", "hgvs_p", "aa_change", "aachange", "amino_acid_change", "mutation_aa",
    "aa_mutation", "protein_mutation", "mutation", "variant", "change",
)  # fmt: skip
GENE_COLUMNS: Final = ("hugo_symbol", "gene", "gene_symbol", "gene_name", "hugo", "symbol")
CLASS_COLUMNS: Final = ("variant_classification", "mutation_type", "consequence")
SAMPLE_COLUMNS: Final = ("tumor_sample_barcode", "sample_id", "sample", "patient_id", "patient")
COUNT_COLUMNS: Final = ("count", "cases", "n", "number", "samples", "patients", "frequency", "freq", "weight")
SUFFIXES: Final = (".maf", ".csv", ".tsv", ".txt", ".tab", ".gz")

MISSENSE: Final = re.compile(r"missense|substitution", re.I)
"""Classes of a MAF or cBioPortal file that are amino-acid substitutions; an empty class is judged by the change."""

MAX_BYTES: Final = 2_000_000_000
MOST_TOGETHER: Final = 4
"""A sample with more mutations of one kinase is hypermutated, or a mixture."""


@dataclass(frozen=True, slots=True)
class MutationList:
    """Mutations to compute, how often each was seen, and what was left out.

    Parameters
    ----------
    labels : tuple of str
        Each once, in the order first seen.
    cases : tuple of float
        Of each; 1 where nobody counted.
    counted : bool
        Whether a count column, or the rows of a file of samples, say how often each was seen.
    refused : tuple of RefusedRow
    other_genes : int
        Rows about other genes.
    notes : tuple of str
        What was made of samples with several mutations.
    """

    labels: tuple[str, ...]
    cases: tuple[float, ...]
    counted: bool
    refused: tuple[RefusedRow, ...]
    other_genes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """What was read so far."""

    kinase: Kinase
    numbering: Numbering
    cases: dict[str, float] = field(default_factory=dict)
    refused: dict[tuple[str, str], RefusedRow] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    samples: dict[str, set[Substitution]] = field(default_factory=dict)
    counted: bool = False
    other_genes: int = 0

    def refuse(self, where: str, text: str, reason: str) -> None:
        known = self.refused.get((text, reason))
        self.refused[(text, reason)] = replace(known, rows=known.rows + 1) if known else RefusedRow(where, text, reason)

    def add(self, variant: Variant, sample: str, cases: float) -> None:
        label = variant.label
        if sample and (label, sample) in self.seen:
            return
        self.seen.add((label, sample))
        self.cases[label] = self.cases.get(label, 0.0) + cases
        if sample:
            self.samples.setdefault(sample, set()).update(variant.substitutions)


def read_mutations(
    entries: Sequence[str], kinase: Kinase, numbering: Numbering = "uniprot", *, compounds: bool = True
) -> MutationList:
    """Read mutations from what a user gives.

    Parameters
    ----------
    entries : sequence of str
        Each a file, or mutations separated by commas (``T315I,E255K/T315I``). A file is a MAF file (the column
        HGVSp_Short), another table with a header (a column of mutations; of genes, classes, samples and counts where it
        has them), or plain text with a mutation in each line.
    kinase : Kinase
        Rows about other genes are left out and counted.
    numbering : {"uniprot", "author"}
        Rows in UniProt numbers are held against the sequence.
    compounds : bool
        Also take together what one sample has at different residues, up to :data:`MOST_TOGETHER` of them.

    Returns
    -------
    MutationList
        A mutation seen several times has as many cases; in a file with a column of samples one sample counts once.
        Compound mutations follow the single ones.

    Raises
    ------
    MutationError
        A mutation written out cannot be read or does not fit the sequence, or no row of the files can be used.
    InputError
        A file cannot be read, or has no column of mutations.
    """
    tally = _Tally(kinase, numbering)
    for entry in entries:
        path = _as_path(entry)
        if path is not None:
            _read_table(path, tally)
        else:
            for text in filter(None, (part.strip() for part in entry.split(","))):
                tally.add(_variant(text, tally), "", 1.0)
    if not tally.cases:
        raise MutationError(_nothing_left(tally))
    notes = _add_compounds(tally, compounds)
    counted = tally.counted or any(number != 1.0 for number in tally.cases.values())
    refused = tuple(tally.refused.values())
    return MutationList(tuple(tally.cases), tuple(tally.cases.values()), counted, refused, tally.other_genes, notes)


def _add_compounds(tally: _Tally, wanted: bool) -> tuple[str, ...]:
    """Add what samples have together, and say so; the single mutations keep their cases."""
    together: dict[str, int] = {}
    same_residue = too_many = several = 0
    for sites in tally.samples.values():
        if len(sites) < 2:
            continue
        several += 1
        places = {(site.chain, site.number, site.insertion_code) for site in sites}
        if len(places) < len(sites):
            same_residue += 1
        elif len(sites) > MOST_TOGETHER:
            too_many += 1
        else:
            label = Variant(tuple(sorted(sites))).label
            together[label] = together.get(label, 0) + 1
    if not several:
        return ()
    samples = f"{several} sample{'s have' if several > 1 else ' has'} several mutations of {tally.kinase.gene}"
    if not wanted:
        return (f"{samples}; they are taken one by one, as asked for",)
    for label, count in together.items():
        tally.cases.setdefault(label, float(count))
    notes = []
    if together:
        named = ", ".join(f"{label} ({count})" for label, count in together.items())
        notes.append(
            f"{samples}; besides one by one these are also taken together: {named}. Whether they sit in one molecule a "
            "table of mutations does not say, and such a sample weighs in the single ones and in the compound one"
        )
    if same_residue:
        notes.append(f"{same_residue} with two mutations of one residue (two clones or alleles) are taken one by one")
    if too_many:
        notes.append(f"{too_many} with more than {MOST_TOGETHER} mutations are taken one by one")
    return tuple(notes)


def _nothing_left(tally: _Tally) -> str:
    message = f"no substitution of {tally.kinase.gene} to compute"
    if tally.other_genes:
        message += f"; {tally.other_genes} rows are about other genes"
    if tally.refused:
        first = next(iter(tally.refused.values()))
        rows = sum(row.rows for row in tally.refused.values())
        message += f"; {rows} rows were refused, the first ({first.where}): {first.text or 'blank'}: {first.reason}"
    return message


def _as_path(entry: str) -> Path | None:
    path = Path(entry)
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    if is_file:
        return path
    if path.suffix.lower() in SUFFIXES:
        raise InputError(f"{entry}: no such file (mutations are read from MAF, CSV, TSV or text files)")
    return None


def _variant(text: str, tally: _Tally) -> Variant:
    """Read one mutation and hold it against the sequence."""
    check_gene(text, tally.kinase, "panel")
    variant = parse_variant(text)
    if tally.numbering == "uniprot":
        check_against_sequence(variant, tally.kinase)
        variant = with_wild_type(variant, dict(enumerate(tally.kinase.sequence, start=1)))
    return variant


# --------------------------------------------------------------------------------------------------------- tables


def _read_table(path: Path, tally: _Tally) -> None:
    rows = list(_rows(_text(path)))
    if not rows:
        raise InputError(f"{path}: the file is empty")
    header = [re.sub(r"[^a-z0-9]+", "_", cell.lower()).strip("_") for cell in rows[0][1]]
    at = {
        name: next((header.index(column) for column in columns if column in header), None)
        for name, columns in (
            ("mutation", MUTATION_COLUMNS), ("gene", GENE_COLUMNS), ("class", CLASS_COLUMNS),
            ("sample", SAMPLE_COLUMNS), ("count", COUNT_COLUMNS),
        )
    }  # fmt: skip
    if at["mutation"] is None:
        if at["gene"] is not None or at["class"] is not None:
            raise InputError(
                f"{path}: no column of protein changes; the header needs one of HGVSp_Short, Protein_Change, mutation"
            )
        _plain_rows(path, rows, tally)
        return
    for number, cells in rows[1:]:
        row = {
            name: cells[place].strip() if place is not None and place < len(cells) else "" for name, place in at.items()
        }
        _one_row(f"{path.name}, line {number}", row, at, tally)


def _one_row(where: str, row: Mapping[str, str], at: Mapping[str, int | None], tally: _Tally) -> None:
    if row["gene"] and row["gene"].upper() not in (tally.kinase.gene.upper(), tally.kinase.uniprot.upper()):
        tally.other_genes += 1
        return
    text = row["mutation"]
    if row["class"] and not MISSENSE.search(row["class"]):
        tally.refuse(where, text, f"{row['class'].replace('_', ' ')}: not an amino-acid substitution")
        return
    if text in ("", ".", "-", "NA", "p.?"):
        tally.refuse(where, text, "no protein change is given")
        return
    cases = 1.0
    if at["count"] is not None:
        tally.counted = True
        try:
            cases = float(row["count"].rstrip("%"))
        except ValueError:
            cases = float("nan")
        if not 0 < cases < float("inf"):
            tally.refuse(where, text, f"its count '{row['count']}' is not a number above 0")
            return
    tally.counted |= at["sample"] is not None
    _add_row(where, text, row["sample"], cases, tally)


def _add_row(where: str, text: str, sample: str, cases: float, tally: _Tally) -> None:
    try:
        variant = _variant(text, tally)
    except MutationError as error:
        tally.refuse(where, text, str(error))
        return
    if all(site.wild_type == site.mutant for site in variant.substitutions):
        tally.refuse(where, text, "silent: the residue stays the same")
        return
    tally.add(variant, sample, cases)


def _plain_rows(path: Path, rows: Sequence[tuple[int, list[str]]], tally: _Tally) -> None:
    """Read rows without a header: mutations only, or a mutation and a count."""
    for number, cells in rows:
        filled = [cell.strip() for cell in cells if cell.strip()]
        where = f"{path.name}, line {number}"
        if len(filled) == 2 and re.fullmatch(r"\d+(\.\d*)?%?", filled[1]):
            columns: dict[str, int | None] = {"count": 1, "sample": None}
            given = {"gene": "", "class": "", "sample": "", "mutation": filled[0], "count": filled[1]}
            _one_row(where, given, columns, tally)
            continue
        for text in filled:
            _add_row(where, text, "", 1.0, tally)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(MAX_BYTES)
    except (OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if data[:4] == b"PK\x03\x04" or b"\x00" in data[:4096]:
        raise InputError(f"{path}: not a text file; save a sheet as CSV")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the rows that are not blank or comments."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip() and line[:1] != "#"]
    if not lines:
        return
    first = lines[0][1]
    delimiter = next((mark for mark in ("\t", ";", ",", "|") if mark in first), ",")
    for number, line in lines:
        # a tab-separated file such as a MAF knows no quotes
        split = line.split("\t") if delimiter == "\t" else next(csv.reader([line], delimiter=delimiter))
        yield number, split
