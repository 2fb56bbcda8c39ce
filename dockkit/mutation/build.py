"""Build a variant: rotamer search at the substituted sites, neighbours repacked where that relieves clashes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import MutationError
from dockkit.core.model import FloatArray, Numbering, Receptor, SideChainModel, StrArray, Variant
from dockkit.core.residues import one_letter, residue_templates, three_letter
from dockkit.mutation.assemble import replace_side_chains, settle_neighbours
from dockkit.mutation.candidates import Candidates, measured_chis, residue_atoms, same_rotamer
from dockkit.mutation.changes import Built, change_list
from dockkit.mutation.check import site_indices
from dockkit.mutation.quality import charge_change, find_clashes, find_threaded
from dockkit.mutation.relief import relieve
from dockkit.mutation.search import clashing_neighbours, neighbour_candidates, pack, site_candidates, starts
from dockkit.mutation.surroundings import Surroundings

FINISHED: Final = 4
"""At least so many models are finished before the best are kept: room for some costs more than for others."""

STRAIN_WEIGHT: Final = 0.5
"""Weight of the strain that is left after room was made, in the score of a model."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for: the receptor, the variant, its residues, and the ligand's heavy atoms and hydrogens."""

    receptor: Receptor
    variant: Variant
    numbering: Numbering
    indices: tuple[int, ...]
    ligand_xyz: FloatArray
    ligand_elements: StrArray


def build_variant(
    receptor: Receptor, variant: Variant, *, numbering: Numbering = "uniprot",
    ligand_coordinates: ArrayLike | None = None, ligand_elements: ArrayLike | None = None, n_models: int = 3,
) -> tuple[SideChainModel, ...]:  # fmt: skip
    """Build the side chains of a variant.

    Rotamers of the backbone-dependent library (Shapovalov & Dunbrack, Structure 2011, 19, 844) are sampled about their
    means, refined by small turns, and scored by contacts with all heavy atoms (ligand included) and -RT ln of their
    probability at the residue's phi and psi. Neighbours that repel the likeliest conformers are repacked with them,
    their own conformer favoured. Where a built atom still clashes, it and its neighbours, main chain included, are
    moved apart by tenths of an Angstrom; nothing else moves. A residue that stays what it is goes the same way, its
    own conformer among the candidates. Same input, same result.

    Parameters
    ----------
    receptor : Receptor
    variant : Variant
        Not checked against the wild type here; see ``check_variant``. Empty gives the receptor itself.
    numbering : {"uniprot", "author"}
    ligand_coordinates : (n, 3) float, optional
        Angstrom.
    ligand_elements : (n,) str, optional
    n_models : int
        At most this many, each in another rotamer at a substituted site.

    Returns
    -------
    tuple of SideChainModel
        Best first; at least one. What was done stands in the receptor's changes and notes.

    Raises
    ------
    MutationError
        A residue is missing, the ligand's arrays do not fit each other, or ``n_models`` is below 1.
    """
    if n_models < 1:
        raise MutationError(f"{variant.label}: n_models is {n_models}; ask for at least one model")
    if not variant.substitutions:
        return (SideChainModel(receptor, 0.0, (), 1.0),)
    xyz, elements = _ligand(ligand_coordinates, ligand_elements, variant)
    indices = site_indices(receptor, variant, numbering)
    names = [_target(receptor, i, s.mutant) for i, s in zip(indices, variant.substitutions, strict=True)]
    taken = set(indices)
    around = Surroundings(receptor, taken, xyz, elements)
    sites = [site_candidates(receptor, i, name, around) for i, name in zip(indices, names, strict=True)]
    neighbours = clashing_neighbours(receptor, sites, around, taken)
    if neighbours:
        around = Surroundings(receptor, taken | set(neighbours), xyz, elements)
        sites = [site_candidates(receptor, i, name, around) for i, name in zip(indices, names, strict=True)]
    options = [neighbour_candidates(receptor, i, around) for i in neighbours]
    moving = [item for item in options if item is not None]
    positions = [*sites, *moving]
    packed = pack(positions, len(sites), starts(sites, len(moving)))
    request = _Request(receptor, variant, numbering, indices, xyz, elements)
    wanted = max(n_models, FINISHED)
    models = [_model(request, positions, *item) for item in _distinct(positions, packed, request, wanted)]
    return tuple(sorted(models, key=lambda model: round(model.score, 6))[:n_models])


def _ligand(xyz: ArrayLike | None, elements: ArrayLike | None, variant: Variant) -> tuple[FloatArray, StrArray]:
    points = np.zeros((0, 3)) if xyz is None else np.asarray(xyz, dtype=np.float64).reshape(-1, 3)
    symbols = np.array([], dtype=str) if elements is None else np.asarray(elements, dtype=str)
    if xyz is not None and elements is None:
        symbols = np.full(len(points), "C")
    if len(points) != len(symbols) or not np.isfinite(points).all():
        raise MutationError(f"{variant.label}: {len(points)} ligand positions for {len(symbols)} elements")
    return points, symbols


def _target(receptor: Receptor, index: int, letter: str) -> str:
    here = str(receptor.residue_names[index])
    name = three_letter(letter) if letter and one_letter(here) != letter.upper() else here
    if not name:
        raise MutationError(f"'{letter}' is not one of the twenty amino acids")
    return name


def _distinct(
    positions: list[Candidates], packed: list[tuple[float, tuple[int, ...]]], request: _Request, n_models: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Return the best choices that differ in a rotamer of a substituted site."""
    sites = positions[: len(request.indices)]
    chosen: list[tuple[float, tuple[int, ...]]] = []
    for energy, choice in packed:
        repeats = any(
            all(same_rotamer(p.template.name, p.chis[choice[k]], p.chis[other[k]]) for k, p in enumerate(sites))
            for _, other in chosen
        )
        if not repeats:
            chosen.append((energy, choice))
        if len(chosen) == n_models:
            break
    return chosen


def _model(request: _Request, positions: list[Candidates], energy: float, choice: tuple[int, ...]) -> SideChainModel:
    """Return one choice of conformers as a finished receptor with its record."""
    before, n_sites = request.receptor, len(request.indices)
    moved = [k for k, p in enumerate(positions) if k < n_sites or not p.own[choice[k]]]
    new = [positions[k].residue for k in moved if not positions[k].own[choice[k]]]
    probability = float(np.prod([positions[k].probability[choice[k]] for k in range(n_sites)]))
    labels = [_label(request, positions[k], choice[k], k >= n_sites) for k in moved]
    receptor, freed = replace_side_chains(before, [(positions[k], choice[k]) for k in moved])
    relieved = relieve(receptor, new, request.ligand_xyz, request.ligand_elements)
    receptor, turned = settle_neighbours(before, relieved.receptor, new)
    ligand = (request.ligand_xyz, request.ligand_elements) if len(request.ligand_xyz) else (None, None)
    clashes = (*find_threaded(receptor, new, *ligand), *find_clashes(receptor, new, *ligand))
    built = Built(
        before=before, after=receptor, variant=request.variant, sites=request.indices,
        repacked=tuple(positions[k].residue for k in moved if k >= n_sites),
        kept=tuple(positions[k].residue for k in range(n_sites) if positions[k].own[choice[k]]),
        probabilities=tuple(float(positions[k].probability[choice[k]]) for k in range(n_sites)),
        moved=relieved.moved, turned=tuple(turned), freed=tuple(freed), clashes=clashes,
    )  # fmt: skip
    changes = change_list(built)
    receptor = dataclasses.replace(
        receptor,
        changes=(*receptor.changes, *changes),
        notes=(*receptor.notes, *(change.sentence for change in changes)),
    )
    labels = [
        text if positions[k].residue not in new else _relabel(request, receptor, positions[k].residue, k >= n_sites)
        for k, text in zip(moved, labels, strict=True)
    ]
    score = energy + STRAIN_WEIGHT * relieved.strain
    charge = charge_change(before, receptor, {*request.indices, *freed, *turned})
    sentences = tuple(clash.sentence for clash in clashes)
    return SideChainModel(receptor, round(score, 6), tuple(labels), probability, sentences, charge)


def _number(request: _Request, index: int) -> int:
    receptor = request.receptor
    numbers = receptor.uniprot_numbers if request.numbering == "uniprot" else receptor.author_numbers
    return int(numbers[index]) or int(receptor.author_numbers[index])


def _text(letter: str, number: int, chis: FloatArray) -> str:
    angles = " ".join(f"{value:.0f}" for value in (chis + 180) % 360 - 180)
    return f"{letter}{number}" + (f" chi {angles}" if angles else "")


def _label(request: _Request, candidates: Candidates, row: int, repacked: bool) -> str:
    text = _text(candidates.template.letter, _number(request, candidates.residue), candidates.chis[row])
    return text + (" (repacked)" if repacked else " (as in the input)" if candidates.own[row] else "")


def _relabel(request: _Request, receptor: Receptor, index: int, repacked: bool) -> str:
    """Return the label of a residue with the angles that it has in the finished model."""
    template = residue_templates()[str(receptor.residue_names[index])]
    chis = measured_chis(template, residue_atoms(receptor, index))
    return _text(template.letter, _number(request, index), chis) + (" (repacked)" if repacked else "")
