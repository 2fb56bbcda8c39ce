"""What is done to one structure: prepare, annotate, mutate, model a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dockkit.core.errors import SettingsError
from dockkit.core.model import Numbering
from dockkit.core.settings import validate_preparation
from dockkit.pipeline import states
from dockkit.pipeline.annotate import annotate_input, annotation_record, annotation_text
from dockkit.pipeline.mutate import mutate_structure, mutation_text, write_mutated
from dockkit.pipeline.prepare import Prepared, name_or_path, prepare_structure
from dockkit.pipeline.prepared import preparation_text, write_prepared
from dockkit.pipeline.states import KinaseState
from dockkit.pipeline.variants import check_gene, parse_mutations


@dataclass(frozen=True, slots=True)
class Done:
    """What a command about one structure leaves: the record as text, and the files."""

    text: str
    files: tuple[tuple[str, Path], ...]


def prepare(
    structure: str | Path,
    *,
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
) -> Done:
    """Make a structure ready for modelling and write it with a record of everything that was changed.

    Parameters
    ----------
    structure : str or Path
        PDB or mmCIF file, name of a bundled structure, PDB id, UniProt accession.
    chain : str
        Author chain; empty takes the first kinase chain with a ligand.
    ligand_code, ligand_smiles : str
        Het code of the ligand that matters, and its molecule where the component dictionary does not know it.
    numbering : {"uniprot", "author"}
        Of the residues in the files written.
    settings : mapping
        Keys of :class:`dockkit.core.settings.PreparationSettings`.
    out : str or Path, optional
        Folder, default ``./<name>-prepared``.
    cache : str or Path, optional
        Folder for downloads.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        The structure cannot be had, read or prepared, or the folder cannot be written.
    """
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    folder = Path(out) if out is not None else Path(f"{prepared.name}-prepared")
    return Done(preparation_text(prepared), tuple(write_prepared(prepared, folder, numbering)))


def annotate(text: str | Path, *, chain: str = "", cache: str | Path | None = None) -> tuple[str, dict[str, Any]]:
    """Say which kinase something is, where its landmarks are, and in which conformation.

    Parameters
    ----------
    text : str or Path
        A structure as in :func:`prepare`, a FASTA file, a sequence, a gene or a UniProt accession.
    chain : str
        Author chain of a structure; empty takes every protein chain.
    cache : str or Path, optional
        Folder for downloads.

    Returns
    -------
    text : str
        For people.
    record : dict
        The same, JSON-able.

    Raises
    ------
    DockkitError
        Nothing of that name, or it cannot be read.
    """
    found = annotate_input(str(text), chain=chain, cache=cache)
    return annotation_text(found), annotation_record(str(text), found)


def _prepared(
    structure: str | Path,
    chain: str,
    ligand_code: str,
    ligand_smiles: str,
    settings: Mapping[str, Any] | None,
    cache: str | Path | None,
) -> Prepared:
    return prepare_structure(
        structure,
        chain=chain,
        ligand_code=ligand_code,
        ligand_smiles=ligand_smiles,
        settings=validate_preparation(dict(settings or {})),
        cache=cache,
    )


def mutate(
    structure: str | Path,
    mutations: Sequence[str],
    *,
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    models: int = 3,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
) -> Done:
    """Build mutations into a structure, each on its own, and write the models with their records.

    Parameters
    ----------
    structure, chain, ligand_code, ligand_smiles, settings, cache
        See :func:`prepare`.
    mutations : sequence of str
        Such as ``T315I``; ``L858R/T790M`` is one variant with two substitutions.
    numbering : {"uniprot", "author"}
        How the mutations count, and the files written.
    models : int
        Conformers kept of each at most.
    out : str or Path, optional
        Folder, default ``./<name>-mutated``.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        See :func:`prepare`; a mutation cannot be read or does not fit. Nothing is written then.
    """
    if models < 1:
        raise SettingsError(f"models is {models}; give 1 or more")
    parsed = parse_mutations(mutations)
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    for text in mutations if prepared.kinase.gene else ():
        check_gene(text, prepared.kinase, "structure")
    built = [mutate_structure(prepared, variant, numbering, models) for variant in parsed]
    folder = Path(out) if out is not None else Path(f"{prepared.name}-mutated")
    files = write_prepared(prepared, folder, numbering)
    for mutated in built:
        files += write_mutated(mutated, folder)
    return Done("\n".join(mutation_text(mutated) for mutated in built), tuple(files))


def model_state(
    structure: str | Path,
    state: KinaseState,
    *,
    template: str = "",
    chain: str = "",
    ligand_code: str = "",
    ligand_smiles: str = "",
    numbering: Numbering = "uniprot",
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cache: str | Path | None = None,
    seed: int = 2026,
) -> Done:
    """Model a kinase in a conformation it was not seen in, and write the model with its record.

    Parameters
    ----------
    structure, chain, ligand_code, ligand_smiles, numbering, settings, cache
        See :func:`prepare`. The ligand counts for the preparation only; the model has none.
    state : {"dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"}
    template : str
        A kinase in that state: anything that :func:`prepare` takes; empty takes the best bundled structure.
    out : str or Path, optional
        Folder, default ``./<name>-<state>``.
    seed : int
        Of everything random.

    Returns
    -------
    Done

    Raises
    ------
    DockkitError
        See :func:`prepare`; the template is not in the wanted state, or the model did not come out in it.
    """
    prepared = _prepared(structure, chain, ligand_code, ligand_smiles, settings, cache)
    model = states.model_state(
        prepared.receptor, prepared.kinase, state, template=name_or_path(template, cache),
        settings=prepared.settings, seed=seed,
    )  # fmt: skip
    modelled = replace(prepared, name=model.name, receptor=model, ligands=(), refused=())
    folder = Path(out) if out is not None else Path(model.name)
    return Done(preparation_text(modelled), tuple(write_prepared(modelled, folder, numbering)))
