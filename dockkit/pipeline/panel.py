"""A panel: mutations x inhibitors as one study, and what its rows say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dockkit.calibration import chance_above
from dockkit.core.errors import InputError, MutationError, SettingsError, StructureError
from dockkit.core.model import Kinase, Numbering, StudyResult
from dockkit.core.model.panels import PanelResult, RefusedRow
from dockkit.core.settings import Study, validate_study
from dockkit.core.task import Step
from dockkit.core.units import thermal_energy
from dockkit.pipeline.cover import cluster, covers
from dockkit.pipeline.mutation_tables import MutationList, read_mutations
from dockkit.pipeline.plan import plan
from dockkit.pipeline.prepare import name_or_path
from dockkit.pipeline.templates import resolve_kinase
from dockkit.pipeline.variants import parse_mutations

PLACEHOLDER = "M1M"
"""Stands for the mutations while only the kinase of a study is asked for."""


@dataclass(frozen=True, slots=True)
class PanelStudy:
    """A panel before it runs.

    Parameters
    ----------
    study : Study
        With the cases of each mutation in ``study.panel``.
    refused : tuple of RefusedRow
    notes : tuple of str
    """

    study: Study
    refused: tuple[RefusedRow, ...] = ()
    notes: tuple[str, ...] = ()


def panel_study(
    mutations: Sequence[str],
    inhibitors: Sequence[str],
    *,
    kinase: str = "",
    structure: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    minimum_cases: float = 0.0,
    compounds: bool = True,
    cache: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> PanelStudy:
    """Make a study from lists, tables and files.

    Parameters
    ----------
    mutations : sequence of str
        See :func:`dockkit.pipeline.mutation_tables.read_mutations`.
    inhibitors : sequence of str
        Each anything that a study takes, or several separated by commas.
    kinase : str
        Gene or accession; empty reads it from the structure.
    structure : str
        File, library name, PDB id or accession, for every conformation; empty lets the library choose.
    chain : str
        Of a structure file.
    numbering : {"uniprot", "author"}
    minimum_cases : float
        Mutations seen less often are left out, and listed as refused.
    compounds : bool
        Also take together what one sample of a table has.
    cache : str or Path, optional
        Folder for downloads.
    settings : mapping, optional
        Further keys of a study.

    Returns
    -------
    PanelStudy

    Raises
    ------
    InputError
        See :func:`dockkit.pipeline.plan.plan`; or nothing is left of the tables.
    """
    given = dict(settings or {})
    if not kinase and not structure:
        raise SettingsError("give a kinase (--kinase ABL1) or a structure (--structure FILE)")
    structures = structures_given(given.pop("structures", {}), structure, chain, cache)
    names = split_inhibitors(inhibitors)
    base = {"name": "panel", "kinase": kinase, "numbering": numbering, "structures": structures, **given}
    own = resolve_kinase(validate_study({**base, "mutations": [PLACEHOLDER], "inhibitors": names}, "panel"))
    counting: Numbering = "author" if numbering == "author" else "uniprot"
    listed = read_mutations(mutations, own, counting, compounds=compounds)
    kept, refused = _often_enough(listed, minimum_cases)
    data = {
        **base,
        "kinase": own.gene,
        "name": given.get("name") or f"panel-{own.gene.lower()}",
        "title": given.get("title") or _title(own, len(kept), names),
        "question": given.get("question") or "Which inhibitors hold which mutations, and which two hold most of them?",
        "mutations": list(kept),
        "inhibitors": names,
        "panel": {**given.get("panel", {}), **({"cases": kept} if listed.counted else {})},
    }
    notes = [f"{listed.other_genes} rows about other genes were left out"] if listed.other_genes else []
    return PanelStudy(validate_study(data, "panel"), refused, (*notes, *listed.notes))


def structures_given(
    settings: Mapping[str, Any], structure: str, chain: str, cache: str | Path | None
) -> dict[str, Any]:
    """Return the structures of a study: those of its settings, but for what is given beside them."""
    found = dict(settings)
    if structure:
        found.update(dict.fromkeys(("dfg_in", "dfg_out"), name_or_path(structure, cache)))
    return {**found, "chain": chain} if chain else found


def _title(kinase: Kinase, count: int, inhibitors: Sequence[str]) -> str:
    several = "mutation" if count == 1 else "mutations"
    return f"{kinase.gene}: {count} {several} against {', '.join(Path(name).name for name in inhibitors[:8])}"


def _often_enough(listed: MutationList, minimum: float) -> tuple[dict[str, float], tuple[RefusedRow, ...]]:
    pairs = dict(zip(listed.labels, listed.cases, strict=True))
    kept = {label: count for label, count in pairs.items() if count >= minimum}
    if not kept:
        raise MutationError(f"no mutation was seen {minimum:g} times; the most often is {max(pairs.values()):g}")
    rare = [
        RefusedRow("--min-cases", label, f"seen {count:g} times, fewer than {minimum:g}")
        for label, count in pairs.items()
        if label not in kept
    ]
    return kept, (*listed.refused, *rare)


def split_inhibitors(texts: Sequence[str]) -> list[str]:
    """Split lists at commas; a file and an InChI stay whole.

    Raises
    ------
    SettingsError
        Nothing is left.
    """
    names: list[str] = []
    for text in texts:
        whole = "," not in text or text.strip().startswith("InChI=") or _is_file(text)
        names += [text] if whole else [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise SettingsError("no inhibitors are given")
    return names


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def with_located(study: Study, cache: str | Path | None = None) -> Study:
    """Return a study whose structures are library names or files on this machine: PDB ids are fetched into the cache.

    Raises
    ------
    StructureError
        No such structure, or no connection.
    """
    found = {name: name_or_path(getattr(study.structures, name), cache) for name in ("dfg_in", "dfg_out")}
    return study.model_copy(update={"structures": study.structures.model_copy(update=found)})


def plannable(panel: PanelStudy, steps: Mapping[str, Step]) -> PanelStudy:
    """Leave out mutations that cannot be planned (not in the structure), each as a refused row with its reason.

    Raises
    ------
    InputError
        None can be planned.
    """
    study = panel.study
    try:
        plan(study, steps)
    except (MutationError, StructureError) as error:
        first: InputError = error
    else:
        return panel
    good, refused = [], []
    for text in study.mutations:
        try:
            plan(study.model_copy(update={"mutations": [text], "inhibitors": study.inhibitors}), steps)
        except (MutationError, StructureError) as error:
            refused.append(RefusedRow("structure", text, str(error)))
        else:
            good.append(text)
    if not good:
        raise first
    cases = {text: count for text, count in study.panel.cases.items() if text in good}
    kept = study.model_copy(
        update={"mutations": good, "panel": study.panel.model_copy(update={"cases": cases})},
    )
    return PanelStudy(kept, (*panel.refused, *refused), panel.notes)


def check_cases(study: Study) -> None:
    """Check that ``panel.cases`` speaks of the study's mutations.

    Raises
    ------
    SettingsError
        It names another mutation, leaves one out, or a number is not above 0.
    """
    cases = study.panel.cases
    if not cases:
        return
    wanted = {_sites(text): text for text in study.mutations}
    given = {_sites(text): text for text in cases}
    if extra := sorted(given[key] for key in given.keys() - wanted.keys()):
        raise SettingsError(f"panel.cases names {', '.join(extra)}, which the study's mutations do not")
    if missing := sorted(wanted[key] for key in wanted.keys() - given.keys()):
        raise SettingsError(f"panel.cases leaves out {', '.join(missing)}; give every mutation, or none")
    if bad := [name for name, value in cases.items() if not 0 < value < float("inf")]:
        raise SettingsError(f"panel.cases: the number of {bad[0]} must be above 0")


def panel_result(
    result: StudyResult,
    study: Study,
    refused: Sequence[RefusedRow] = (),
    notes: Sequence[str] = (),
) -> PanelResult:
    """Read a finished study as a panel.

    Parameters
    ----------
    result : StudyResult
    study : Study
        For the threshold and the cases.
    refused, notes
        Of the :class:`PanelStudy`.

    Returns
    -------
    PanelResult
        With every single inhibitor and every pair ranked by how much of the panel they hold.
    """
    mutations = tuple(dict.fromkeys(detail.row.mutation for detail in result.rows))
    inhibitors = tuple(dict.fromkeys(detail.row.ligand for detail in result.rows))
    rows_at = {name: i for i, name in enumerate(mutations)}
    columns_at = {name: j for j, name in enumerate(inhibitors)}
    expected, error, effective, sem = (np.full((len(mutations), len(inhibitors)), np.nan) for _ in range(4))
    for detail in result.rows:
        row = detail.row
        if row.status == "ok":
            place = rows_at[row.mutation], columns_at[row.ligand]
            expected[place], error[place] = row.ddg_expected_kcal_mol, row.ddg_expected_error
            effective[place], sem[place] = row.ddg_effective_kcal_mol, row.ddg_effective_sem
    fold = study.panel.covered_fold or study.resistance.fold
    threshold = thermal_energy(result.temperature_kelvin) * float(np.log(fold))
    holds = 1.0 - chance_above(expected, error, threshold)
    called = np.where(np.isfinite(expected), (expected <= threshold).astype(float), np.nan)
    cases = np.array(_cases_of(mutations, study))
    weights = cases / cases.sum()
    (row_order, row_tree), (column_order, column_tree) = cluster(expected), cluster(expected.T)
    return PanelResult(
        study=result, mutations=mutations, inhibitors=inhibitors, cases=cases, counted=bool(study.panel.cases),
        expected=expected, error=error, effective=effective, holds=holds,
        singles=covers(inhibitors, weights, holds, called, 1), pairs=covers(inhibitors, weights, holds, called, 2),
        covered_fold=fold, row_order=row_order, column_order=column_order,
        row_tree=row_tree, column_tree=column_tree, refused=tuple(refused),
        notes=(*notes, *_sem_notes(sem, effective)),
    )  # fmt: skip


def _sem_notes(sem: Any, effective: Any) -> list[str]:
    lacking = int((np.isfinite(effective) & ~np.isfinite(sem)).sum())
    return [f"{lacking} values have no statistical error (one start); the calibration's is used"] if lacking else []


def _cases_of(mutations: Sequence[str], study: Study) -> list[float]:
    """Return the cases of each mutation; a wild-type residue that was left out makes no difference."""
    if not study.panel.cases:
        return [1.0] * len(mutations)
    given = {_sites(text): number for text, number in study.panel.cases.items()}
    return [given[_sites(label)] for label in mutations]


def _sites(text: str) -> tuple[tuple[str, int, str, str], ...]:
    return tuple((s.chain, s.number, s.insertion_code, s.mutant) for s in parse_mutations([text])[0].substitutions)
