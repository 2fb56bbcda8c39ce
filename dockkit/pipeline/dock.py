"""Plan a docking: structures x mutants x ligands as tasks, each keyed by its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dockkit.core.errors import InputError, SettingsError
from dockkit.core.library import library_dir
from dockkit.core.model import LigandEntry, Variant
from dockkit.core.records import fingerprint
from dockkit.core.settings import DockSettings, EnergySettings
from dockkit.core.task import Step, Task, make_task
from dockkit.docking.box import parse_box
from dockkit.docking.engines import engine_content, find_engine
from dockkit.docking.flexible import parse_flexible
from dockkit.forcefield.parameters import METHOD
from dockkit.ligand import expand_ligands
from dockkit.mutation import mentioned_gene
from dockkit.pipeline.dock_steps import DOCK_STEPS
from dockkit.pipeline.plan import derive_seed
from dockkit.pipeline.prepare import bundled_entry, find_structure
from dockkit.pipeline.templates import sha256_of
from dockkit.pipeline.variants import parse_mutations
from dockkit.structure import catalogue

BOXES: Final = ("auto", "ligand", "pocket")
"""Words for a search box."""

WILD_TYPE: Final = "wild-type"
"""What the receptor without mutation is called in tables."""


@dataclass(frozen=True, slots=True)
class DockStructure:
    """A structure of a docking as the plan knows it.

    Parameters
    ----------
    text : str
        Library name or path, as the step sees it.
    label : str
        For tables and file names; no two share it.
    content : str
        sha256 of everything that the structure's preparation reads.
    """

    text: str
    label: str
    content: str


@dataclass(frozen=True, slots=True)
class DockLigand:
    """A molecule of a docking as the plan knows it; ``text`` is empty for the structure's own ligand."""

    text: str
    label: str
    entry: LigandEntry | None = None
    content: str = ""


@dataclass(frozen=True, slots=True)
class DockCell:
    """One ligand in one structure, mutated or not, with the keys of its tasks.

    ``keys`` has the roles structure, site, ligand and poses.
    """

    structure: DockStructure
    variant: Variant
    ligand: DockLigand
    keys: dict[str, str]

    @property
    def mutant(self) -> str:
        """Such as ``T315I``, or ``wild-type``."""
        return self.variant.label if self.variant.substitutions else WILD_TYPE


@dataclass(frozen=True, slots=True)
class DockPlan:
    """A docking as tasks.

    Parameters
    ----------
    settings : DockSettings
    tasks : tuple of Task
        Each after those it needs; no key occurs twice.
    cells : tuple of DockCell
        In the order that was given: structure by structure, wild type first.
    warnings : tuple of str
    redock : bool
        The ligands are the structures' own, and the crystal is known.
    """

    settings: DockSettings
    tasks: tuple[Task, ...]
    cells: tuple[DockCell, ...]
    warnings: tuple[str, ...]
    redock: bool = False


def plan_docking(
    structures: Sequence[str],
    ligands: Sequence[str],
    mutations: Sequence[str],
    settings: DockSettings,
    *,
    cache: str | Path | None = None,
    steps: Mapping[str, Step] | None = None,
) -> DockPlan:
    """Plan the docking of ligands into structures, mutated and not.

    Parameters
    ----------
    structures : sequence of str
        Files, names of the library, PDB ids or UniProt accessions; several conformations of a kinase are an ensemble.
    ligands : sequence of str
        As in a study: library names, SMILES, files, tables.
    mutations : sequence of str
        Each is made on its own in every structure, beside the wild type. One that names a gene (``ABL1:T315I``) is made
        in library structures of that gene alone.
    settings : DockSettings
    cache : str or Path, optional
        Folder for downloads.
    steps : mapping of str to Step, optional
        Default: dockkit's own.

    Returns
    -------
    DockPlan

    Raises
    ------
    InputError
        Something given cannot be found or read; nothing was computed.
    """
    builder = _Builder(settings, DOCK_STEPS if steps is None else steps)
    found = _structures(structures, cache)
    molecules, warnings = _ligands(ligands, settings)
    if not molecules:
        raise InputError("no ligand is given; name one with --ligand (a library name, SMILES or file)")
    genes = [mentioned_gene(text) for text in mutations]
    variants = list(zip(parse_mutations(mutations), genes, strict=True))
    cells = []
    for structure in found:
        gene = _library_gene(structure.text)
        wanted = [Variant(()), *(v for v, named in variants if not (named and gene) or named == gene)]
        for variant in wanted:
            cells += [DockCell(structure, variant, m, builder.cell(structure, variant, m)) for m in molecules]
    return DockPlan(settings, tuple(builder.tasks.values()), tuple(cells), tuple(warnings))


def plan_redocking(
    structures: Sequence[str],
    settings: DockSettings,
    *,
    cache: str | Path | None = None,
    steps: Mapping[str, Step] | None = None,
) -> DockPlan:
    """Plan the docking of each structure's own ligand, from a fresh conformer, back into the structure.

    Parameters
    ----------
    structures, settings, cache, steps
        See :func:`plan_docking`.

    Returns
    -------
    DockPlan
        One cell for each structure.

    Raises
    ------
    InputError
        As :func:`plan_docking`.
    """
    builder = _Builder(settings, DOCK_STEPS if steps is None else steps)
    own = DockLigand("", "bound ligand")
    cells = [DockCell(s, Variant(()), own, builder.cell(s, Variant(()), own)) for s in _structures(structures, cache)]
    return DockPlan(settings, tuple(builder.tasks.values()), tuple(cells), (), redock=True)


def _structures(texts: Iterable[str], cache: str | Path | None) -> list[DockStructure]:
    found: list[DockStructure] = []
    for text in texts:
        located, name = find_structure(text, cache)
        entry = bundled_entry(located, name)
        if entry is not None:
            files = [library_dir("structures") / part for part in (entry.file, entry.bound_ligand_file) if part]
            item = DockStructure(name, name, sha256_of(fingerprint(entry), *files))
        else:
            item = DockStructure(str(located.path), name, located.sha256)
        if any(item.text == other.text for other in found):
            raise InputError(f"the structure '{text}' is given twice")
        count = sum(other.label.split("#")[0] == item.label for other in found)
        found.append(item if not count else DockStructure(item.text, f"{item.label}#{count + 1}", item.content))
    if not found:
        raise InputError("no structure is given")
    return found


def _library_gene(text: str) -> str:
    return next((entry.kinase for entry in catalogue() if entry.name == text), "")


def _ligands(texts: Sequence[str], settings: DockSettings) -> tuple[list[DockLigand], list[str]]:
    """Return the molecules of all entries, and what to say of them; a bad row of a table becomes a task that fails."""
    found: list[DockLigand] = []
    notes: list[str] = []
    for text in texts:
        for row in expand_ligands(
            text, keep_state=settings.ligands.keep_state, enumerate_stereo=settings.ligands.enumerate_stereo
        ):
            twin = next((other for other in found if other.label == row.label), None)
            if twin is not None:
                raise InputError(
                    f"two ligands are named {row.label} ('{twin.text}' and '{row.text}'); leave one out, or name the "
                    "molecules differently in their files"
                )
            content = row.content or (fingerprint(row.entry) if row.entry else "")
            found.append(DockLigand(row.text, row.label, row.entry, content))
            notes += [f"{row.label}: {note}" for note in row.notes]
    return found, notes


class _Builder:
    """Makes tasks, each key once, in an order in which they could run."""

    def __init__(self, settings: DockSettings, steps: Mapping[str, Step]) -> None:
        check_settings(settings)
        self._settings, self._steps = settings, steps
        self._engine = engine_content(settings.docking.engine)
        folder = library_dir("ligands") / "parameters"
        self._parameters = sha256_of(*sorted(path for path in folder.glob("*") if path.is_file()))
        self._kinases = sha256_of(library_dir("structures") / "kinases.toml")
        self.tasks: dict[str, Task] = {}

    def _add(
        self, step: str, params: dict[str, Any], inputs: dict[str, str], label: str, contents: dict[str, str]
    ) -> str:
        task = make_task(self._steps, step, params, inputs, label, contents)
        self.tasks.setdefault(task.key, task)
        return task.key

    def cell(self, structure: DockStructure, variant: Variant, ligand: DockLigand) -> dict[str, str]:
        """Add the tasks of one ligand in one structure; return their keys by role."""
        s = self._settings
        keys = {"structure": self._structure(structure)}
        what = structure.label + (f" {variant.label}" if variant.substitutions else "")
        keys["site"] = self._add(
            "dock-site",
            {
                "mutation": variant.label if variant.substitutions else "",
                "numbering": s.numbering,
                "box": s.box,
                "flexible": list(s.flexible),
            },
            {"structure": keys["structure"]},
            f"site of {what}",
            {},
        )
        keys["ligand"] = self._ligand(ligand, structure, keys["structure"])
        label = ligand.label if ligand.text else f"the ligand of {structure.label}"
        engine = s.docking.engine
        keys["poses"] = self._add(
            "dock-poses",
            {
                "docking": s.docking.model_dump(mode="json", exclude={"engine", "rescore", "use_bound_pose"}),
                "engine": str(Path(engine).resolve()) if engine.endswith(".py") else engine,
                "checks": s.checks,
                "cluster_angstrom": s.cluster_angstrom,
                "seed": derive_seed(s.seed, "dock", ligand.label, structure.label),
                "cpu": 1,
            },
            {"site": keys["site"], "ligand": keys["ligand"]},
            f"poses of {label} in {what}",
            {"engine": self._engine},
        )
        if s.rescore:
            keys["poses"] = self._choice(keys, label, what)
        return keys

    def _choice(self, keys: dict[str, str], label: str, what: str) -> str:
        parameters = self._add(
            "parameters",
            {"method": METHOD},
            {"ligand": keys["ligand"]},
            f"parameters of {label}",
            {"library": self._parameters},
        )
        return self._add(
            "dock-choice",
            {
                "rescore": self._settings.docking.rescore.model_dump(mode="json"),
                "energy": EnergySettings().model_dump(mode="json"),
            },
            {**{role: keys[role] for role in ("site", "ligand", "poses")}, "parameters": parameters},
            f"refined poses of {label} in {what}",
            {},
        )

    def _structure(self, structure: DockStructure) -> str:
        s = self._settings
        return self._add(
            "dock-structure",
            {
                "structure": structure.text,
                "label": structure.label,
                "chain": s.chain,
                "ligand_code": s.ligand_code,
                "ligand_smiles": s.ligand_smiles,
                "preparation": s.preparation.model_dump(mode="json"),
                "seed": s.seed,
            },
            {},
            f"structure {structure.label}",
            {"structure": structure.content, "kinases": self._kinases},
        )

    def _ligand(self, ligand: DockLigand, structure: DockStructure, structure_key: str) -> str:
        if not ligand.text:
            label = f"fresh conformer of the ligand of {structure.label}"
            return self._add("dock-fresh", {"seed": self._settings.seed}, {"structure": structure_key}, label, {})
        return self._add(
            "ligand",
            {
                "ligand": ligand.text,
                "label": ligand.label,
                "keep_state": self._settings.ligands.keep_state,
                "seed": self._settings.seed,
            },
            {},
            f"molecule {ligand.label}",
            {"ligand": ligand.content} if ligand.content else {},
        )


def check_settings(settings: DockSettings) -> None:
    """Check what can be checked before anything is computed.

    Parameters
    ----------
    settings : DockSettings

    Raises
    ------
    SettingsError, InputError
        No such engine; a box or a flexible residue that cannot be read; an engine that cannot move side chains.
    """
    if parse_box(settings.box) is None and settings.box not in BOXES:
        raise InputError(
            f"--box '{settings.box}': write {', '.join(BOXES)}, or six numbers \"x,y,z,a,b,c\" in Angstrom"
        )
    parse_flexible(settings.flexible)
    engine = find_engine(settings.docking.engine)
    if settings.flexible and settings.rescore:
        raise SettingsError(
            "--rescore refines all poses in one receptor, --flexible gives each its own; leave one of them out"
        )
    if settings.flexible and engine.dock_flexible is None:
        raise SettingsError(f"the docking engine '{engine.name}' cannot move side chains; leave out --flexible")
