"""Turn a study into tasks: choose structures, check everything that can be checked early, and key each task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dockkit import ligand as ligands
from dockkit.core.errors import InputError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import Kinase, LigandEntry, StructureEntry, Variant
from dockkit.core.records import canonical_json, fingerprint
from dockkit.core.settings import Study
from dockkit.core.task import Step, Task, make_task
from dockkit.docking.engines import engine_content
from dockkit.forcefield.parameters import METHOD
from dockkit.pipeline.choice import ligand_warnings, model_warning
from dockkit.pipeline.templates import Template, Templates, resolve_kinase, sha256_of
from dockkit.pipeline.variants import check_against_sequence, check_present, parse_mutations, with_wild_type

ATP: Final = "ATP.Mg"
"""Library name of ATP with its two magnesium ions."""


@dataclass(frozen=True, slots=True)
class PlannedLigand:
    """A ligand as the plan knows it.

    Parameters
    ----------
    text : str
        As the user wrote it: library name, SMILES or path.
    label : str
        For tables.
    entry : LigandEntry or None
        Catalogue facts where known.
    content : str
        sha256 of the catalogue entry or the file; empty for a SMILES, which says everything itself.
    """

    text: str
    label: str
    entry: LigandEntry | None
    content: str

    @property
    def known_name(self) -> str:
        """The library's name where it is known there."""
        return self.entry.name if self.entry else self.label

    @property
    def binding_type(self) -> str:
        """Binding type, ``unknown`` where the catalogue does not say."""
        return self.entry.binding_type if self.entry else "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """One mutation with one ligand, and the keys of the tasks behind it.

    ``keys`` has the roles receptor, ligand, parameters, pose, wild_type, mutant and, where dynamics are asked for,
    dynamics_wild_type, dynamics_mutant and comparison.
    """

    variant: Variant
    ligand: PlannedLigand
    template: Template
    is_atp: bool
    keys: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """A study as tasks.

    Parameters
    ----------
    study : Study
    kinase : Kinase
    tasks : tuple of Task
        Each after those it needs; no key occurs twice.
    cells : tuple of Cell
        Mutation by mutation: the inhibitors in the study's order, then ATP.
    warnings : tuple of str
    """

    study: Study
    kinase: Kinase
    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]
    warnings: tuple[str, ...]


def derive_seed(seed: int, *names: str) -> int:
    """Return a seed below 2**31 for one part of a study, independent of the others.

    Parameters
    ----------
    seed : int
        The study's seed.
    *names : str
        What the part is.

    Returns
    -------
    int
        The same for the same arguments everywhere.
    """
    digest = hashlib.sha256(canonical_json([seed, *names]).encode("ascii")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


# --------------------------------------------------------------------------------------------------- ligands


def _plan_ligands(text: str, study: Study) -> tuple[list[PlannedLigand], list[str]]:
    """Return the molecules of one entry, and what to say of them; a bad row of a table becomes a task that fails."""
    settings = study.ligands
    rows = ligands.expand_ligands(text, keep_state=settings.keep_state, enumerate_stereo=settings.enumerate_stereo)
    planned = [
        PlannedLigand(row.text, row.label, row.entry, row.content or (fingerprint(row.entry) if row.entry else ""))
        for row in rows
    ]
    return planned, [f"{row.label}: {note}" for row in rows for note in row.notes]


def _parameter_content() -> str:
    """Return the sha256 of the shipped ligand parameters."""
    folder = library_dir("ligands") / "parameters"
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    return sha256_of(*(part for path in files for part in (path.name, path)))


# ----------------------------------------------------------------------------------------------------- tasks


class _Builder:
    """Makes tasks, each key once, in an order in which they could run."""

    def __init__(self, study: Study, kinase: Kinase, steps: Mapping[str, Step], work: Path | None) -> None:
        self._study, self._kinase, self._steps, self._work = study, kinase, steps, work
        self._parameters = _parameter_content()
        self._engine = engine_content(study.docking.engine)
        self.tasks: dict[str, Task] = {}

    def _add(
        self,
        step: str,
        params: dict[str, Any],
        inputs: dict[str, str],
        label: str,
        contents: Mapping[str, str] | None = None,
    ) -> str:
        task = make_task(self._steps, step, params, inputs, label, contents)
        self.tasks.setdefault(task.key, task)
        return task.key

    def cell(self, variant: Variant, ligand: PlannedLigand, template: Template) -> dict[str, str]:
        """Add the tasks of one mutation with one ligand; return their keys by role."""
        keys = self._shared(ligand, template)
        mutation = _uniprot_label(variant, template) if self._study.numbering == "author" else variant.label
        keys.update(self._states(keys, variant, ligand, _place(variant, template, self._study.numbering)))
        if self._study.md.enabled:
            keys.update(self._dynamics(keys, variant, ligand, mutation))
        return keys

    def _shared(self, ligand: PlannedLigand, template: Template) -> dict[str, str]:
        study, gene = self._study, self._kinase.gene
        keys = {}
        keys["receptor"] = self._add(
            "receptor",
            {
                "entry": template.name,
                "chain": "" if template.entry else study.structures.chain,
                "preparation": study.structures.preparation,
                "numbering": study.numbering,
                "kinase": gene,
                "seed": study.seed,
            },
            {},
            f"structure {template.label}",
            {"entry": template.content},
        )
        contents = {"ligand": ligand.content} if ligand.content else None
        keys["ligand"] = self._add(
            "ligand",
            {
                "ligand": ligand.text,
                "label": ligand.label,
                "keep_state": study.ligands.keep_state,
                "seed": study.seed,
                **({"n_magnesium": 1} if ligand.known_name == ATP and study.atp.n_magnesium == 1 else {}),
            },
            {},
            f"molecule {ligand.label}",
            contents,
        )
        keys["parameters"] = self._add(
            "parameters",
            {"method": METHOD},
            {"ligand": keys["ligand"]},
            f"parameters of {ligand.label}",
            {"library": self._parameters},
        )
        keys["pose"] = self._add(
            "pose",
            {
                "docking": study.docking.model_dump(mode="json"),
                "energy": study.energy.model_dump(mode="json"),
                "seed": derive_seed(study.seed, "pose", ligand.label, template.label),
                "cpu": 1,
                "kinase": gene,
                "entry": template.name,
            },
            {role: keys[role] for role in ("receptor", "ligand", "parameters")},
            f"pose of {ligand.label} in {template.label}",
            {"entry": template.content, "engine": self._engine},
        )
        return keys

    def _states(self, keys: dict[str, str], variant: Variant, ligand: PlannedLigand, place: str) -> dict[str, str]:
        study = self._study
        start = self._add(
            "start",
            {"relax": study.relax.model_dump(mode="json")},
            {role: keys[role] for role in ("receptor", "ligand", "parameters", "pose")},
            f"common start of {ligand.label}",
        )
        made = {"start": start}
        sites = variant.reversed_to_wild_type
        shared = study.structures.waters == "none"  # else which waters stay depends on the mutant
        for state in ("wild-type", "mutant"):
            built = sites if state == "wild-type" and shared else variant
            params = {
                "variant": built.label,
                "state": state,
                "numbering": study.numbering,
                "relax": study.relax.model_dump(mode="json"),
                "energy": study.energy.model_dump(mode="json"),
                "seed": derive_seed(study.seed, "state", place, ligand.label),
            }
            inputs = {"start": start, "ligand": keys["ligand"], "parameters": keys["parameters"]}
            made[state.replace("-", "_")] = self._add(
                "state", params, inputs, f"{state} energies of {ligand.label}, {built.label}"
            )
        return made

    def _dynamics(self, keys: dict[str, str], variant: Variant, ligand: PlannedLigand, mutation: str) -> dict[str, str]:
        study = self._study
        made = {}
        for state in ("wild-type", "mutant"):
            role = state.replace("-", "_")
            params = {
                "md": study.md.model_dump(mode="json"),
                "energy": study.energy.model_dump(mode="json"),
                "seed": derive_seed(study.seed, "dynamics", mutation, ligand.label),
                "state": state,
                "variant": variant.label,
                "numbering": study.numbering,
                **({"folder": str(self._work)} if self._work else {}),
            }
            inputs = {"complex": keys[role], **{role: keys[role] for role in ("start", "ligand", "parameters")}}
            made[f"dynamics_{role}"] = self._add(
                "dynamics", params, inputs, f"{state} dynamics of {ligand.label}, {variant.label}"
            )
        made["comparison"] = self._add(
            "comparison",
            {"kinase": self._kinase.gene, "numbering": study.numbering},
            {
                "wild_type": made["dynamics_wild_type"],
                "mutant": made["dynamics_mutant"],
                "ligand": keys["ligand"],
            },
            f"comparison of {ligand.label}, {variant.label}",
            {"kinase": fingerprint(self._kinase)},
        )
        return made


def _place(variant: Variant, template: Template, numbering: str) -> str:
    """Return the UniProt numbers of the sites: what wild type and mutants of one place draw their seeds from."""
    numbers = [
        template.uniprot.get(site.number, site.number) if numbering == "author" else site.number
        for site in variant.substitutions
    ]
    return "/".join(str(number) for number in numbers)


def _uniprot_label(variant: Variant, template: Template) -> str:
    """Return a variant of author numbers under its UniProt numbers, so that one mutation draws one set of seeds."""
    return "/".join(
        f"{site.wild_type}{template.uniprot.get(site.number) or site.number}{site.insertion_code}{site.mutant}"
        for site in variant.substitutions
    )


def plan(study: Study, steps: Mapping[str, Step], work: Path | None = None) -> Plan:
    """Plan a study without computing anything.

    Parameters
    ----------
    study : Study
        Checked settings.
    steps : mapping of str to Step
        The table of steps, for their versions.
    work : Path, optional
        Where simulations keep what is finished from run to run; without it a killed one starts over.

    Returns
    -------
    Plan
        The tasks, what each row of the result is made of, and warnings.

    Raises
    ------
    InputError
        An unknown kinase, ligand or structure, a mutation that cannot be read, does not fit the sequence or is not in
        the structure, a file that cannot be read.
    """
    kinase = resolve_kinase(study)
    parsed = parse_mutations(study.mutations, kinase)
    if study.numbering == "uniprot":
        for variant in parsed:
            check_against_sequence(variant, kinase)
    read = [_plan_ligands(text, study) for text in study.inhibitors]
    planned = [ligand for found, _ in read for ligand in found]
    _refuse_twins(planned)
    atp = _plan_ligands(ATP, study)[0] if study.atp.include else []
    templates, builder = Templates(study, kinase), _Builder(study, kinase, steps, work)
    chosen = {
        ligand.text: templates.choose(ligand.entry.name if ligand.entry else ligand.label, ligand.binding_type)
        for ligand in (*planned, *atp)
    }
    letters = dict(enumerate(kinase.sequence, start=1))
    for template in chosen.values():
        letters = template.letters or letters
    variants = [with_wild_type(variant, letters) for variant in parsed]
    cells = []
    for variant in variants:
        for ligand in (*planned, *atp):
            template = chosen[ligand.text]
            _check_site(variant, template, kinase, study.numbering)
            cells.append(Cell(variant, ligand, template, ligand in atp, builder.cell(variant, ligand, template)))
    warnings = [note for _, notes in read for note in notes]
    warnings += [*templates.warnings, *_warnings((*planned, *atp), chosen)]
    warnings += [text for cell in cells if (text := _covalent_warning(cell, kinase, study.numbering))]
    return Plan(study, kinase, tuple(builder.tasks.values()), tuple(cells), tuple(dict.fromkeys(warnings)))


def _covalent_warning(cell: Cell, kinase: Kinase, numbering: str) -> str:
    """Return what to say of a covalent inhibitor with this mutation; empty for any other."""
    variant = cell.variant
    if numbering == "author":
        variant = Variant(
            tuple(
                replace(site, number=cell.template.uniprot.get(site.number) or site.number)
                for site in variant.substitutions
            )
        )
    return ligands.covalent_warning(cell.ligand.entry, kinase.gene, variant, cell.ligand.label)


def _refuse_twins(planned: Iterable[PlannedLigand]) -> None:
    seen: dict[str, str] = {}
    for ligand in planned:
        if ligand.label in seen:
            raise InputError(
                f"two inhibitors are named {ligand.label} ('{seen[ligand.label]}' and '{ligand.text}'); "
                "leave one out, or name the molecules differently in their files"
            )
        seen[ligand.label] = ligand.text


def _check_site(variant: Variant, template: Template, kinase: Kinase, numbering: str) -> None:
    if template.entry is not None:
        entry = template.entry
        check_against_sequence(variant, kinase)  # a library structure's author numbers are UniProt's too
        for site in variant.substitutions:
            if not entry.first <= site.number <= entry.last:
                raise StructureError(
                    f"{site.label}: {entry.name} has residues {entry.first}-{entry.last} only; "
                    "name another structure under [structures]"
                )
    else:
        for site in variant.substitutions:
            if site.chain not in ("", template.chain):
                raise StructureError(
                    f"{site.chain}:{site.label}: chain {template.chain} of {template.label} is used; "
                    f"choose the other one with --chain {site.chain} (structures.chain in a study)"
                )
        check_present(variant, template.letters, template.label, numbering, kinase.sequence)


def _warnings(planned: Sequence[PlannedLigand], chosen: Mapping[str, Template]) -> list[str]:
    found: list[str] = []
    users: dict[str, list[str]] = {}
    entries: dict[str, StructureEntry] = {}
    for ligand in planned:
        found += ligand_warnings(ligand.entry, ligand.label)
        entry = chosen[ligand.text].entry
        if entry is not None:
            entries[entry.name] = entry
            users.setdefault(entry.name, []).append(ligand.label)
    for name, entry in entries.items():
        found += model_warning(entry, users[name])
    return found
