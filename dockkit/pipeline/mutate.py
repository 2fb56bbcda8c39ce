"""Mutations built into a prepared structure and written, each with its record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dockkit import __version__
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.model import Change, Numbering, SideChainModel, Variant
from dockkit.core.residues import one_letter
from dockkit.mutation import build_variant, check_variant, site_indices
from dockkit.mutation.waters import displaced_waters, without_waters
from dockkit.pipeline.prepare import Prepared
from dockkit.pipeline.prepared import write_model
from dockkit.pipeline.variants import with_wild_type
from dockkit.report.preparation import change_rows, change_table


@dataclass(frozen=True, slots=True)
class Mutated:
    """One variant of a prepared structure.

    Parameters
    ----------
    prepared : Prepared
    variant : Variant
    numbering : {"uniprot", "author"}
        What the variant counts in.
    models : tuple of SideChainModel
        The conformers kept, the best first.
    """

    prepared: Prepared
    variant: Variant
    numbering: Numbering
    models: tuple[SideChainModel, ...]

    @property
    def stem(self) -> str:
        """For file names, such as ``L858R-T790M``."""
        return self.variant.label.replace("/", "-")

    @property
    def changes(self) -> tuple[Change, ...]:
        """What building the best model changed, beyond the preparation."""
        before = set(self.prepared.receptor.changes)
        return tuple(change for change in self.models[0].receptor.changes if change not in before)


def mutate_structure(prepared: Prepared, variant: Variant, numbering: Numbering, n_models: int) -> Mutated:
    """Check one mutation, or several made together, against a structure and build the side chains.

    Parameters
    ----------
    prepared : Prepared
    variant : Variant
        Several substitutions are made together.
    numbering : {"uniprot", "author"}
    n_models : int
        Conformers to keep at most.

    Returns
    -------
    Mutated

    Raises
    ------
    MutationError
        It does not fit the structure; the message proposes what would.
    """
    receptor, bound = prepared.receptor, prepared.ligand
    kinase = prepared.kinase
    check_variant(receptor, variant, numbering, kinase.sequence if kinase.gene else "")
    indices = site_indices(receptor, variant, numbering)
    letters = {
        site.number: one_letter(str(receptor.residue_names[index]))
        for site, index in zip(variant.substitutions, indices, strict=True)
    }
    variant = with_wild_type(variant, letters)
    models = build_variant(
        receptor,
        variant,
        numbering=numbering,
        ligand_coordinates=bound.ligand.coordinates if bound else None,
        ligand_elements=bound.ligand.elements if bound else None,
        n_models=n_models,
    )
    dry = [
        replace(model, receptor=without_waters(model.receptor, displaced_waters(model.receptor, indices)))
        for model in models
    ]
    return Mutated(prepared, variant, numbering, tuple(dry))


def mutation_rows(mutated: Mutated) -> list[dict[str, Any]]:
    """Return one row per mutated residue and model.

    Parameters
    ----------
    mutated : Mutated

    Returns
    -------
    list of dict
        Numbers in both numberings, distance to the ligand in Angstrom (null without one), score in kcal/mol (lower is
        better, comparable within the variant), probability of the rotamer in its library.
    """
    receptor, bound = mutated.prepared.receptor, mutated.prepared.ligand
    rows = []
    for rank, model in enumerate(mutated.models, start=1):
        for site, index in zip(
            mutated.variant.substitutions, site_indices(receptor, mutated.variant, mutated.numbering), strict=True
        ):
            atoms = model.receptor.coordinates[model.receptor.atom_indices(index)]
            gap = None
            if bound is not None:
                offsets = atoms[:, None] - bound.ligand.coordinates[None]
                gap = round(float(np.sqrt((offsets**2).sum(-1)).min()), 2)
            rows.append(
                {
                    "mutation": site.label,
                    "model": rank,
                    "chain": str(receptor.chain_ids[index]),
                    "author_number": int(receptor.author_numbers[index]),
                    "insertion_code": str(receptor.insertion_codes[index]),
                    "uniprot_number": int(receptor.uniprot_numbers[index]) or None,
                    "conformers": list(model.rotamers),
                    "probability": round(float(model.probability), 4),
                    "score_kcal_mol": round(float(model.score), 2),
                    "distance_to_ligand_angstrom": gap,
                }
            )
    return rows


def mutation_text(mutated: Mutated) -> str:
    """Return the record of a variant as text."""
    receptor = mutated.prepared.receptor
    lines = [
        f"{mutated.variant.label} in {receptor.name} ({receptor.kinase}, {receptor.uniprot}); "
        f"the mutation counts residues as {'UniProt' if mutated.numbering == 'uniprot' else 'the file'} does, "
        f"{mutated.prepared.offset}"
    ]
    for rank, model in enumerate(mutated.models, start=1):
        lines.append(
            f"  model {rank}  score {model.score:+.2f} kcal/mol, library probability {model.probability:.3f}: "
            + "; ".join(model.rotamers)
        )
    gaps = {row["mutation"]: row["distance_to_ligand_angstrom"] for row in reversed(mutation_rows(mutated))}
    bound = mutated.prepared.ligand
    if bound is not None:
        lines += [f"  {label} comes within {gap} A of {bound.ligand.name}" for label, gap in sorted(gaps.items())]
    return "\n".join(lines) + "\n\n" + change_table(mutated.changes) + "\n"


def write_mutated(mutated: Mutated, out: Path) -> list[tuple[str, Path]]:
    """Write the models of a variant and its record.

    Parameters
    ----------
    mutated : Mutated
    out : Path
        Folder; made where it is not there.

    Returns
    -------
    list of (str, Path)
        What was written.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    bound = mutated.prepared.ligand
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for rank, model in enumerate(mutated.models, start=1):
            stem = out / f"{mutated.stem}-model{rank}"
            files = write_model(stem, model.receptor, bound.ligand if bound else None, mutated.numbering)
            written += [("model", path) for _, path in files]
        record = {
            "dockkit": __version__,
            "input": {"given": mutated.prepared.origin, "sha256": mutated.prepared.sha256},
            "mutation": mutated.variant.label,
            "numbering": mutated.numbering,
            "models": mutation_rows(mutated),
            "changes": change_rows(mutated.changes),
        }
        path = out / f"{mutated.stem}.json"
        atomic_write_text(path, json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise store_error(Path(error.filename or out), error) from error
    return [*written, ("record", path)]
