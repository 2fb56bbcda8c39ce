"""One structure made ready: found, its kinase chain chosen, its ligands extracted, the chain prepared, all recorded."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from dockkit import __version__
from dockkit.core.errors import DockkitError, LigandError, StoreError, StructureError
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.formats import write_complex_mmcif, write_complex_pdb, write_sdf
from dockkit.core.library import library_dir
from dockkit.core.model import Change, FloatArray, Kinase, Ligand, Numbering, Receptor
from dockkit.core.settings import PreparationSettings
from dockkit.kinase import identify_kinase, measure_conformation, motifs
from dockkit.ligand.bonds import CovalentBond, covalent_bonds
from dockkit.ligand.bound import ligand_from_group
from dockkit.ligand.groups import SiteLigand, classify_groups, site_ligands
from dockkit.report.preparation import change_rows, change_table, receptor_summary
from dockkit.structure import Company, RawStructure, catalogue, list_chains, prepare_receptor, read_structure
from dockkit.structure.reading import extract_het
from dockkit.structure.sources import Located, locate

STAYS: Final = ("atp", "back", "allosteric")
"""Sites whose ligands count while the chain is prepared."""

PARTNER_REACH: Final = 5.0
"""Chains this close to a ligand are named in the record, Angstrom."""


@dataclass(frozen=True, slots=True)
class BoundLigand:
    """A ligand of the structure.

    Parameters
    ----------
    ligand : Ligand
        On the crystal's heavy atoms.
    found : SiteLigand
        The group, its class and its site.
    bonds : tuple of CovalentBond
        To the protein.
    """

    ligand: Ligand
    found: SiteLigand
    bonds: tuple[CovalentBond, ...]

    @property
    def label(self) -> str:
        """Such as ``STI A:201``."""
        return self.found.group.label

    @property
    def stem(self) -> str:
        """For file names, such as ``STI-A201``."""
        group = self.found.group
        return f"{group.name}-{group.chain}{group.number}{group.insertion_code}".replace("/", "_")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A structure made ready.

    Parameters
    ----------
    name, origin : str
        For file names; where the structure came from.
    sha256, url : str
        Of the file read; where it was fetched from, empty for a local one.
    receptor : Receptor
    kinase : Kinase
    ligands : tuple of BoundLigand
        The one that matters first.
    refused : tuple of (str, str)
        Groups that could not be made a ligand, with the reason.
    settings : PreparationSettings
    """

    name: str
    origin: str
    sha256: str
    url: str
    receptor: Receptor
    kinase: Kinase
    ligands: tuple[BoundLigand, ...]
    refused: tuple[tuple[str, str], ...]
    settings: PreparationSettings

    @property
    def ligand(self) -> BoundLigand | None:
        """The ligand that matters, where there is one."""
        return self.ligands[0] if self.ligands else None

    @property
    def offset(self) -> str:
        """How the author's numbers differ from UniProt's."""
        return numbering_words(self.receptor)


def numbering_words(receptor: Receptor) -> str:
    """Return how author numbers relate to UniProt's, such as ``author = UniProt - 24``."""
    known = receptor.uniprot_numbers > 0
    author, uniprot = receptor.author_numbers[known], receptor.uniprot_numbers[known]
    if not len(author):
        return "no UniProt numbers"
    shifts = author - uniprot
    starts = np.concatenate([[0], np.flatnonzero(np.diff(shifts)) + 1])
    parts = []
    for first, last in zip(starts, [*starts[1:], len(shifts)], strict=True):
        shift = int(shifts[first])
        words = "author = UniProt" + (f" {'+' if shift > 0 else '-'} {abs(shift)}" if shift else "")
        parts.append(words if len(starts) == 1 else f"{words} for {author[first]}-{author[last - 1]}")
    return "; ".join(parts)


def find_structure(text: str, cache: str | Path | None = None) -> tuple[Located, str]:
    """Return the file that a word names, and a name for it.

    Parameters
    ----------
    text : str
        A file, the name of a bundled structure, a PDB id or a UniProt accession; the first that fits, in this order.
    cache : str or Path, optional
        Folder for downloads.

    Raises
    ------
    StructureError
        Nothing of that name; no connection.
    """
    entry = next((entry for entry in catalogue() if entry.name == text.lower()), None)
    if entry is not None and not Path(text).is_file():
        return locate(str(library_dir("structures") / entry.file)), entry.name
    located = locate(text, cache_dir=cache)
    return located, located.path.name.split(".")[0] if located.kind == "file" else located.identifier


def name_or_path(text: str, cache: str | Path | None = None) -> str:
    """Return the name of a bundled structure as it is, and the path of any other; '' stays ''.

    Raises
    ------
    StructureError
        As :func:`find_structure`.
    """
    if not text:
        return ""
    located, name = find_structure(text, cache)
    return name if any(entry.name == name for entry in catalogue()) else str(located.path)


def choose_chain(path: Path, wanted: str, ligand_code: str) -> tuple[str, Kinase, tuple[Change, ...]]:
    """Return the chain to prepare, its kinase, and why it was chosen.

    The first kinase chain that holds the wanted ligand, else a drug or a nucleotide, else the first kinase chain.

    Raises
    ------
    StructureError
        No kinase chain, or none of that name.
    """
    summaries = list_chains(path)
    if wanted:
        raw = read_structure(path, wanted)
        return raw.chain, identify_kinase(raw.sequence, segments=raw.segments)[0], ()
    found, reason = [], ""
    for summary in summaries:
        try:
            kinase = identify_kinase(summary.sequence, segments=summary.segments)[0]
        except StructureError as error:
            reason = reason or str(error)
            continue
        found.append((summary, kinase))
    if not found:
        raise StructureError(f"{path.name}: no chain is a kinase that dockkit knows; {reason}")
    ranked = [(_holds(path, summary.name, ligand_code), summary, kinase) for summary, kinase in found]
    best = max(score for score, _, _ in ranked)
    score, summary, kinase = next(item for item in ranked if item[0] == best)
    if len(summaries) == 1:
        return summary.name, kinase, ()
    others = ", ".join(f"{s.name or '(blank)'} ({s.n_residues} residues)" for s in summaries)
    why = {2: f"the first with {ligand_code}", 1: "the first kinase chain with a ligand", 0: "the first kinase chain"}
    change = Change("chain", f"chain {summary.name or '(blank)'} taken", f"{why[score]} of: {others}")
    return summary.name, kinase, (change,)


def _holds(path: Path, chain: str, ligand_code: str) -> int:
    groups = [group for group in read_structure(path, chain).hetero if group.distance <= PARTNER_REACH]
    if ligand_code:
        code = ligand_code.split(":")[0].upper()
        return 2 if any(group.name.upper() == code for group in groups) else 0
    return int(any(what.category in ("drug", "nucleotide") for what in classify_groups(groups)))


def prepare_structure(
    text: str | Path,
    *,
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    settings: PreparationSettings | None = None,
    cache: str | Path | None = None,
    seed: int = 2026,
) -> Prepared:
    """Make one structure ready for modelling.

    Parameters
    ----------
    text : str or Path
        PDB or mmCIF file, name of a bundled structure, PDB id, UniProt accession.
    chain : str
        Author chain; empty takes the first kinase chain with a ligand.
    ligand_code : str
        Het code of the ligand that matters, such as ``STI`` or ``STI:A:201``; empty takes the likeliest.
    ligand_smiles : str
        Its molecule where the component dictionary does not know the code.
    settings : PreparationSettings, optional
    cache : str or Path, optional
        Folder for downloads.
    seed : int
        Of the loops that are built.

    Returns
    -------
    Prepared

    Raises
    ------
    StructureError, LigandError
        The input cannot be had or read, is no kinase, or the ligand asked for is not there or cannot be told.
    """
    settings = settings or PreparationSettings()
    located, name = find_structure(str(text), cache)
    chosen, kinase, why = choose_chain(located.path, chain, ligand_code)
    raw = read_structure(located.path, chosen)
    if why:
        raw = dataclasses.replace(raw, changes=(*why, *(c for c in raw.changes if not _is_default_choice(c))))
    numbers = identify_kinase(raw.sequence, segments=raw.segments)[1]
    sites, changes = _sites(raw, numbers, kinase, ligand_code)
    ligands, refused = _ligands(raw, sites, ligand_code, ligand_smiles, settings.ph)
    changes += [bond.change for bound in ligands for bond in bound.bonds]
    changes += [Change("removed", "left out", reason, *_place(label, raw)) for label, reason in refused]
    changes += _partners(raw, ligands)
    entry = next((entry for entry in catalogue() if entry.name == name), None)
    receptor = prepare_receptor(
        raw, name=name, kinase=kinase, uniprot_numbers=numbers, settings=settings, company=_company(ligands),
        modelled=bool(entry and entry.modelled), found=(*_located_changes(located), *changes), seed=seed,
    )  # fmt: skip
    receptor = dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase))
    return Prepared(name, str(text), located.sha256, located.url, receptor, kinase, ligands, refused, settings)


def _is_default_choice(change: Change) -> bool:
    return change.kind == "chain" and change.what.startswith("chain ") and " taken" in change.what


def _located_changes(located: Located) -> tuple[Change, ...]:
    return (Change("chain", located.note),) if located.note else ()


def _place(label: str, raw: RawStructure) -> tuple[str, str, int, str]:
    group = next(group for group in raw.hetero if group.label == label)
    return group.name, group.chain, group.number, group.insertion_code


def _residue_atoms(raw: RawStructure, numbers: Any, wanted: tuple[int, ...]) -> FloatArray:
    rows = np.isin(numbers, [number for number in wanted if number])[raw.atom_residue]
    return np.asarray(raw.coordinates[rows])


def _sites(
    raw: RawStructure, numbers: Any, kinase: Kinase, ligand_code: str
) -> tuple[tuple[SiteLigand, ...], list[Change]]:
    """Return the ligands of the chain, the one that matters first, and what the groups are taken for."""
    pocket = _residue_atoms(raw, numbers, kinase.pocket)
    hinge = _residue_atoms(raw, numbers, motifs(kinase)["hinge"])
    sites = site_ligands(raw.hetero, pocket, hinge if len(hinge) else None, raw.coordinates)
    if ligand_code:
        wanted = extract_het(raw, ligand_code)
        sites = tuple(sorted(sites, key=lambda site: site.group is not wanted))
        if not sites or sites[0].group is not wanted:
            what = classify_groups([wanted])[0]
            sites = (SiteLigand(wanted, what, "surface", "asked for"), *sites)
    return sites, [site.change for site in sites]


def _ligands(
    raw: RawStructure, sites: tuple[SiteLigand, ...], ligand_code: str, smiles: str, ph: float
) -> tuple[tuple[BoundLigand, ...], tuple[tuple[str, str], ...]]:
    """Return the groups as molecules; a ligand that was asked for must succeed."""
    bonds = covalent_bonds([site.group for site in sites], raw, raw.links)
    made, refused = [], []
    for number, site in enumerate(sites):
        own = tuple(bond for bond in bonds if bond.group is site.group)
        try:
            ligand = ligand_from_group(site.group, smiles=smiles if number == 0 else "", ph=ph, bonds=bonds)
        except LigandError as error:
            if number == 0 and (ligand_code or smiles):
                raise
            refused.append((site.group.label, str(error)))
            continue
        made.append(BoundLigand(ligand, site, own))
    return tuple(made), tuple(refused)


def _partners(raw: RawStructure, ligands: tuple[BoundLigand, ...]) -> list[Change]:
    """Name the chains beside a ligand that the model leaves out."""
    return [
        Change("chain", f"chain {partner.chain} left out", f"it comes within {partner.distance:.1f} A of {bound.label}")
        for bound in ligands[:1]
        for partner in raw.partners(bound.found.group.coordinates, PARTNER_REACH)
    ]


def _company(ligands: tuple[BoundLigand, ...]) -> Company | None:
    staying = [bound for number, bound in enumerate(ligands) if number == 0 or bound.found.site in STAYS]
    if not staying:
        return None
    names = []
    for bound in staying:
        own = bound.found.group.atom_names.tolist()
        names += own + bound.ligand.elements[len(own) :].tolist()
    return Company(
        groups=tuple(bound.found.group for bound in staying),
        coordinates=np.concatenate([bound.ligand.coordinates for bound in staying]),
        elements=np.concatenate([bound.ligand.elements for bound in staying]),
        names=tuple(names),
        holds_metals=any(bound.found.what.category == "nucleotide" for bound in staying),
    )


# ------------------------------------------------------------------------------------------------------- outputs


def preparation_text(prepared: Prepared) -> str:
    """Return the whole record as text: what it is, its ligands, and the table of changes."""
    receptor, kinase = prepared.receptor, prepared.kinase
    state = receptor.conformation
    lines = [
        f"{prepared.name}: {kinase.gene} ({kinase.uniprot}, {kinase.name}), chain {receptor.chain_ids[0] or '(blank)'}",
        f"  numbering     {prepared.offset}",
        f"  conformation  DFG {state.dfg}, alpha-C {state.alpha_c}, Lys-Glu salt bridge {state.salt_bridge}, "
        f"regulatory spine {state.spine}" + (" (modelled)" if receptor.modelled else ""),
    ]
    for number, bound in enumerate(prepared.ligands):
        charge = int(bound.ligand.formal_charges.sum())
        lines.append(
            f"  {'ligand' if number == 0 else 'also bound':13} {bound.label}: {bound.ligand.name}, charge {charge:+d}"
            f", {bound.found.what.category} in the {bound.found.site} site"
        )
        lines += [f"{'':16}{note}" for note in bound.ligand.notes]
    lines += [f"  not read      {label}: {reason}" for label, reason in prepared.refused]
    return "\n".join(lines) + "\n\n" + change_table(receptor.changes)


def preparation_record(prepared: Prepared, files: dict[str, str]) -> dict[str, Any]:
    """Return the whole record, JSON-able.

    Parameters
    ----------
    prepared : Prepared
    files : dict of str to str
        File name by ligand label.
    """
    return {
        "dockkit": __version__,
        "input": {"given": prepared.origin, "sha256": prepared.sha256, "url": prepared.url or None},
        "settings": prepared.settings.model_dump(mode="json"),
        "structure": receptor_summary(prepared.receptor),
        "numbering": prepared.offset,
        "ligands": [
            {
                "group": bound.label,
                "name": bound.ligand.name,
                "smiles": bound.ligand.smiles,
                "charge": int(bound.ligand.formal_charges.sum()),
                "category": bound.found.what.category,
                "site": bound.found.site,
                "reason": f"{bound.found.what.reason}; {bound.found.reason}",
                "covalent": [bond.label for bond in bound.bonds],
                "notes": list(bound.ligand.notes),
                "file": files.get(bound.label),
            }
            for bound in prepared.ligands
        ],
        "refused": [{"group": label, "reason": reason} for label, reason in prepared.refused],
        "changes": change_rows(prepared.receptor.changes),
    }


def write_prepared(prepared: Prepared, out: Path, numbering: Numbering = "uniprot") -> list[tuple[str, Path]]:
    """Write receptor, complex, ligands and the record.

    Parameters
    ----------
    prepared : Prepared
    out : Path
        Folder; made where it is not there.
    numbering : {"uniprot", "author"}
        Of the residues in the files; the files say which.

    Returns
    -------
    list of (str, Path)
        What was written.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = write_model(out / "receptor", prepared.receptor, None, numbering)
        if prepared.ligand is not None:
            written += write_model(out / "complex", prepared.receptor, prepared.ligand.ligand, numbering)
        files = {}
        for bound in prepared.ligands:
            path = out / f"ligand-{bound.stem}.sdf"
            properties = {"group": bound.label, "source": prepared.receptor.source, "site": bound.found.site}
            write_sdf(path, bound.ligand, [bound.ligand.coordinates], [properties])
            files[bound.label] = path.name
            written.append(("ligand", path))
        record = preparation_record(prepared, files)
        for name, text in (
            ("preparation.json", json.dumps(record, indent=2) + "\n"),
            ("preparation.txt", preparation_text(prepared)),
        ):
            atomic_write_text(out / name, text)
            written.append(("record", out / name))
    except OSError as error:
        raise store_error(Path(error.filename or out), error) from error
    return written


def write_model(stem: Path, receptor: Receptor, ligand: Ligand | None, numbering: Numbering) -> list[tuple[str, Path]]:
    """Write a receptor, with its ligand in place where there is one, as mmCIF and, where it fits, as PDB."""
    blocks = [(ligand, ligand.coordinates)] if ligand is not None else []
    pdb, cif = stem.with_name(f"{stem.name}.pdb"), stem.with_name(f"{stem.name}.cif")
    write_complex_mmcif(cif, receptor, blocks, numbering)
    written = [(stem.name, cif)]
    try:
        write_complex_pdb(pdb, receptor, blocks, numbering)
    except StoreError:
        raise
    except DockkitError:  # coordinates or numbers that PDB columns cannot hold; mmCIF has them
        return written
    return [(stem.name, pdb), *written]
