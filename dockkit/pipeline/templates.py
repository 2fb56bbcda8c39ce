"""The structure that each ligand is modelled in: named by the study or chosen from the library, read once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from dockkit import kinase as kinases
from dockkit import structure as structures
from dockkit.core.errors import SettingsError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import Kinase, StructureEntry
from dockkit.core.records import fingerprint
from dockkit.core.settings import Study
from dockkit.pipeline.choice import choice_warnings, choose_entry, wanted_dfg
from dockkit.pipeline.prepare import bare_receptor


@dataclass(frozen=True, slots=True)
class Template:
    """A structure that stands for one conformation.

    Parameters
    ----------
    name : str
        Library name, or the path of a file, as the steps see it.
    label : str
        For tables.
    dfg : str
        DFG state where known, else ``unknown``.
    modelled : bool
    content : str
        sha256 of everything the receptor depends on.
    letters : dict of int to str
        One-letter codes by residue number in the study's numbering; empty for a library structure.
    entry : StructureEntry or None
        Of a library structure.
    chain : str
        Author chain taken from a file; empty for a library structure, which has one.
    uniprot : dict of int to int
        UniProt number by author number; empty for a library structure, where the two are the same.
    """

    name: str
    label: str
    dfg: str
    modelled: bool
    content: str
    letters: dict[int, str] = field(default_factory=dict)
    entry: StructureEntry | None = None
    chain: str = ""
    uniprot: dict[int, int] = field(default_factory=dict)


def sha256_of(*parts: str | bytes | Path) -> str:
    """Return one digest of texts, bytes and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part.read_bytes() if isinstance(part, Path) else part
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _is_file(text: str) -> bool:
    return bool(text) and (
        Path(text).is_file() or Path(text).suffix.lower() in (".pdb", ".cif", ".ent", ".mmcif", ".gz")
    )


def _read_file(study: Study, path: str, kinase: Kinase | None) -> tuple[Kinase, Template]:
    """Read a structure file as far as a plan needs it: which kinase it is, its residues by number, its DFG state."""
    raw = structures.read_structure(path, chain=study.structures.chain)
    found, numbers = kinases.identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    if kinase is not None and kinase.uniprot != found.uniprot:
        raise StructureError(
            f"{path}: the chain is {found.gene} ({found.uniprot}), the study is about {kinase.gene}; "
            "give another structure or chain, or change the study's kinase"
        )
    letters: dict[int, str] = {}
    if study.numbering == "uniprot":
        letters = {number: letter for number, letter in zip(numbers.tolist(), raw.sequence, strict=True) if number}
    else:
        for number, letter, code in zip(raw.author_numbers.tolist(), raw.sequence, raw.insertion_codes, strict=True):
            if number not in letters or not code:
                letters[number] = letter
    content = sha256_of(Path(path), fingerprint(found))
    dfg = kinases.measure_conformation(bare_receptor(raw, found, numbers), found).dfg
    uniprot = dict(zip(raw.author_numbers.tolist(), numbers.tolist(), strict=True))
    return found, Template(path, Path(path).name, dfg, False, content, letters, chain=raw.chain, uniprot=uniprot)


def _library_template(entry: StructureEntry, kinase: Kinase) -> Template:
    folder = library_dir("structures")
    files = [folder / name for name in (entry.file, entry.bound_ligand_file) if name]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise StructureError(f"{entry.name}: the library lacks {missing[0]}; install dockkit again")
    content = sha256_of(fingerprint(entry), fingerprint(kinase), *files)
    return Template(entry.name, entry.name, entry.dfg, entry.modelled, content, entry=entry)


def resolve_kinase(study: Study) -> Kinase:
    """Return the study's kinase: named, or read from its structure."""
    if study.kinase:
        return kinases.load_kinase(study.kinase)
    for text in (study.structures.dfg_in, study.structures.dfg_out):
        if _is_file(text):
            return _read_file(study, text, None)[0]
        if text:
            return kinases.load_kinase(structures.find_entry(text).kinase)
    raise SettingsError("no kinase is given and no structure to read it from; set kinase = '...' in the study")


class Templates:
    """The structure for each ligand, each read and hashed once.

    Parameters
    ----------
    study : Study
    kinase : Kinase
    """

    def __init__(self, study: Study, kinase: Kinase) -> None:
        self._study, self._kinase = study, kinase
        self._made: dict[str, Template] = {}
        self.warnings: list[str] = []

    def choose(self, ligand: str, binding_type: str) -> Template:
        """Return the structure for a ligand of this name and binding type; ``warnings`` grow where it does not fit."""
        named = self._study.structures
        text = named.dfg_out if wanted_dfg(binding_type) == "out" else named.dfg_in
        own = [entry for entry in structures.catalogue() if entry.kinase == self._kinase.gene]
        if text:
            template = self._make(text)
            self.warnings += self._named_warnings(template, ligand, binding_type)
            return self._stand_in(template, ligand, binding_type, own)
        if not own:
            have = sorted({entry.kinase for entry in structures.catalogue()})
            raise StructureError(
                f"the library holds no structure of {self._kinase.gene}; name a file under [structures] "
                f"(the library has {', '.join(have)})"
            )
        entry = choose_entry(own, binding_type, ligand)
        self.warnings += choice_warnings(entry.name, entry.dfg, binding_type, ligand, self._kinase.gene)
        return self._make(entry.name)

    def _named_warnings(self, template: Template, ligand: str, binding_type: str) -> list[str]:
        """Say where a structure that the study names is in another state; of a nucleotide `_stand_in` speaks."""
        if binding_type in ("nucleotide", "unknown"):
            return []
        return choice_warnings(template.label, template.dfg, binding_type, ligand)

    def _stand_in(self, template: Template, ligand: str, binding_type: str, own: list[StructureEntry]) -> Template:
        """Return a DFG-in structure of the library for a nucleotide that the named structure cannot hold."""
        if binding_type != "nucleotide" or template.dfg != "out":
            return template
        why = f"{ligand}: {template.label} is DFG-out and cannot hold it"
        active = [entry for entry in own if entry.dfg == "in"]
        if not active or (self._study.numbering == "author" and template.entry is None):
            unless = (
                "with numbering = 'uniprot' a library structure would stand in" if active else "the library has none"
            )
            self.warnings.append(f"{why}; name a DFG-in structure for structures.dfg_in ({unless})")
            return template
        entry = choose_entry(active, binding_type, ligand)
        self.warnings.append(f"{why}; {entry.name} stands in for the ATP half")
        return self._make(entry.name)

    def _make(self, text: str) -> Template:
        if text not in self._made:
            is_file = _is_file(text)
            self._made[text] = _read_file(self._study, text, self._kinase)[1] if is_file else self._named(text)
        return self._made[text]

    def _named(self, text: str) -> Template:
        entry = structures.find_entry(text)
        if entry.kinase != self._kinase.gene:
            raise StructureError(f"'{text}' is a structure of {entry.kinase}, the study is about {self._kinase.gene}")
        return _library_template(entry, self._kinase)
