"""One structure made ready: found, its kinase chain chosen, its ligands extracted, the chain prepared, all recorded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from dockkit.core.errors import LigandError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import Change, FloatArray, IntArray, Kinase, Ligand, Receptor, StructureEntry
from dockkit.core.settings import PreparationSettings
from dockkit.kinase import (
    annotate_sequence,
    construct_changes,
    describe_offset,
    identify_kinase,
    kinase_from_annotation,
    measure_conformation,
    motifs,
)
from dockkit.ligand.bonds import CovalentBond, covalent_bonds
from dockkit.ligand.bound import ligand_from_group
from dockkit.ligand.groups import SiteLigand, classify_groups, site_ligands
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
    def warnings(self) -> tuple[str, ...]:
        """What a user must see: unusual protonation of the residues that catalysis turns on."""
        kinase = self.kinase
        roles = {
            kinase.catalytic_lysine: "catalytic Lys",
            kinase.alpha_c_glutamate: "alpha-C Glu",
            kinase.dfg_aspartate: "DFG Asp",
            kinase.hrd_aspartate: "HRD Asp",
        }
        return tuple(
            f"{roles[change.uniprot_number]} {change.sentence}"
            for change in self.receptor.changes
            if change.kind == "protonation"
            and change.uniprot_number in roles
            and change.uniprot_number
            and (change.what.startswith("kept") or "protonated" in change.what)
        )

    @property
    def offset(self) -> str:
        """How the author's numbers differ from UniProt's."""
        receptor = self.receptor
        numbered = receptor.uniprot_numbers > 0
        if not numbered.any():
            return "author numbers; no UniProt numbers are known"
        return describe_offset(receptor.author_numbers[numbered], receptor.uniprot_numbers[numbered])


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


def bundled_entry(located: Located, name: str) -> StructureEntry | None:
    """Return the library's entry that :func:`find_structure` found; None for a file of the user's, whatever its name.

    Parameters
    ----------
    located, name
        What :func:`find_structure` returned.
    """
    entry = next((entry for entry in catalogue() if entry.name == name), None)
    if entry is None or located.path.resolve() != (library_dir("structures") / entry.file).resolve():
        return None
    return entry


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
    return name if bundled_entry(located, name) else str(located.path)


def choose_chain(path: Path, ligand_code: str) -> tuple[str, tuple[Change, ...]]:
    """Return the chain to prepare, and why it was chosen.

    The first kinase chain that holds the wanted ligand, else a drug or a nucleotide, else the first kinase chain.

    Raises
    ------
    StructureError
        No chain is a kinase.
    """
    summaries = list_chains(path)
    found, reasons = [], []
    for summary in summaries:
        annotation = annotate_sequence(summary.sequence, segments=summary.segments)
        if any(domain.pocket for domain in annotation.domains):
            found.append(summary)
        else:
            reasons.append(f"chain {summary.name or '(blank)'} ({summary.n_residues} residues): {annotation.statement}")
    if not found:
        raise StructureError(f"{path.name}: nothing to prepare: {'; '.join(reasons)}")
    if len(summaries) == 1:
        return found[0].name, ()
    scores = [_holds(path, summary.name, ligand_code) for summary in found]
    score = max(scores)
    chosen = found[scores.index(score)]
    others = ", ".join(f"{s.name or '(blank)'} ({s.n_residues} residues)" for s in summaries)
    why = {2: f"the first with {ligand_code}", 1: "the first kinase chain with a ligand", 0: "the first kinase chain"}
    return chosen.name, (Change("chain", f"chain {chosen.name or '(blank)'} taken", f"{why[score]} of: {others}"),)


@dataclass(frozen=True, slots=True)
class _Identity:
    """Which kinase a chain is; ``numbers`` are those that the kinase counts in."""

    kinase: Kinase
    numbers: IntArray
    uniprot_numbers: IntArray
    changes: tuple[Change, ...]


def identify(raw: RawStructure) -> _Identity:
    """Return which kinase a chain is; one that the table does not have counts in the chain's own numbers.

    Raises
    ------
    StructureError
        It has no kinase domain with a pocket; the message says what it is.
    """
    try:
        kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    except StructureError:
        annotation = annotate_sequence(raw.sequence, segments=raw.segments, numbers=raw.author_numbers)
        try:
            kinase = kinase_from_annotation(raw.sequence, annotation, raw.author_numbers)
        except StructureError as error:
            raise StructureError(f"{raw.source}: chain {raw.chain or '(blank)'}: {error}") from error
        note = Change("chain", "a kinase that the table does not have: residues by their own numbers", kinase.name)
        return _Identity(kinase, raw.author_numbers, np.zeros(raw.n_residues, dtype=np.int64), (note,))
    return _Identity(kinase, numbers, numbers, chain_differences(raw, kinase, numbers))


def chain_differences(raw: RawStructure, kinase: Kinase, uniprot_numbers: IntArray) -> tuple[Change, ...]:
    """Return the residues of a chain that differ from UniProt's or have no counterpart there."""
    return construct_changes(
        raw.sequence,
        uniprot_numbers,
        kinase,
        author_numbers=raw.author_numbers,
        residue_names=[str(name) for name in raw.residue_names],
        chain=raw.chain,
        insertion_codes=[str(code) for code in raw.insertion_codes],
    )


def bare_receptor(raw: RawStructure, kinase: Kinase, uniprot_numbers: IntArray) -> Receptor:
    """Return a chain as it is in its file, which is enough to measure its conformation."""
    return Receptor(
        name=raw.source,
        kinase=kinase.gene,
        uniprot=kinase.uniprot,
        source=raw.source,
        modelled=raw.is_model,
        atom_names=raw.atom_names,
        elements=raw.elements,
        atom_residue=raw.atom_residue,
        coordinates=raw.coordinates,
        residue_names=raw.residue_names,
        chain_ids=raw.chain_ids,
        insertion_codes=raw.insertion_codes,
        author_numbers=raw.author_numbers,
        uniprot_numbers=uniprot_numbers,
        segments=raw.segments,
    )


def with_conformation(receptor: Receptor, kinase: Kinase) -> Receptor:
    """Return a receptor with its conformation measured."""
    counted = receptor if kinase.gene else dataclasses.replace(receptor, uniprot_numbers=receptor.author_numbers)
    return dataclasses.replace(receptor, conformation=measure_conformation(counted, kinase))


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
    chosen, why = (chain, ()) if chain else choose_chain(located.path, ligand_code)
    raw = read_structure(located.path, chosen)
    if why:
        raw = dataclasses.replace(raw, changes=(*why, *(c for c in raw.changes if not _is_default_choice(c))))
    who = identify(raw)
    sites, changes = _sites(raw, who.numbers, who.kinase, ligand_code)
    ligands, refused = _ligands(raw, sites, ligand_code, ligand_smiles, settings.ph)
    changes += [bond.change for bound in ligands for bond in bound.bonds]
    changes += [Change("removed", "left out", reason, *_place(label, raw)) for label, reason in refused]
    changes += _partners(raw, ligands)
    entry = next((entry for entry in catalogue() if entry.name == name), None)
    receptor = prepare_receptor(
        raw,
        name=name,
        kinase=who.kinase if who.kinase.gene else None,
        uniprot_numbers=who.uniprot_numbers,
        settings=settings,
        company=_company(ligands),
        modelled=bool(entry and entry.modelled),
        found=(*_located_changes(located), *who.changes, *changes),
        seed=seed,
    )
    receptor = with_conformation(receptor, who.kinase)
    return Prepared(name, str(text), located.sha256, located.url, receptor, who.kinase, ligands, refused, settings)


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
