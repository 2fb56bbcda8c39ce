"""Build a variant: rotamer search at the substituted sites, neighbours repacked where that relieves clashes."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import MutationError
from dockkit.core.model import FloatArray, Numbering, Receptor, SideChainModel, StrArray, Variant
from dockkit.core.residues import one_letter, three_letter
from dockkit.mutation.assemble import replace_side_chains
from dockkit.mutation.candidates import Candidates, same_rotamer
from dockkit.mutation.check import site_indices
from dockkit.mutation.search import clashing_neighbours, neighbour_candidates, pack, site_candidates, starts
from dockkit.mutation.surroundings import Surroundings
from dockkit.mutation.waters import displaced_waters


def _label(receptor: Receptor, candidates: Candidates, row: int, numbering: Numbering, repacked: bool) -> str:
    numbers = receptor.uniprot_numbers if numbering == "uniprot" else receptor.author_numbers
    number = int(numbers[candidates.residue]) or int(receptor.author_numbers[candidates.residue])
    chis = " ".join(f"{value:.0f}" for value in (candidates.chis[row] + 180) % 360 - 180)
    text = f"{candidates.template.letter}{number}" + (f" chi {chis}" if chis else "")
    return text + (" (repacked)" if repacked else " (as in the input)" if candidates.own[row] else "")


def build_variant(
    receptor: Receptor, variant: Variant, *, numbering: Numbering = "uniprot",
    ligand_coordinates: ArrayLike | None = None, ligand_elements: ArrayLike | None = None, n_models: int = 3,
) -> tuple[SideChainModel, ...]:  # fmt: skip
    """Build the side chains of a variant.

    Rotamers of the penultimate library (Lovell et al., Proteins 2000, 40, 389) are sampled about their means on chi1
    and chi2, refined by small turns, and scored by contacts with all heavy atoms (ligand included) and -RT ln of
    their probability. Neighbours that repel the likeliest conformers are repacked with them. The main chain does not
    move. A residue that stays what it is goes the same way, its own conformer among the candidates.

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
        Best first; at least one.

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
    return _models(receptor, positions, len(sites), packed, numbering, n_models, variant)


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


def _models(
    receptor: Receptor, positions: list[Candidates], n_sites: int, packed: list[tuple[float, tuple[int, ...]]],
    numbering: Numbering, n_models: int, variant: Variant,
) -> tuple[SideChainModel, ...]:  # fmt: skip
    chosen: list[tuple[float, tuple[int, ...]]] = []
    for energy, choice in packed:
        repeats = any(
            all(
                same_rotamer(p.template.name, p.chis[choice[k]], p.chis[other[k]])
                for k, p in enumerate(positions[:n_sites])
            )
            for _, other in chosen
        )
        if not repeats:
            chosen.append((energy, choice))
        if len(chosen) == n_models:
            break
    models = []
    for energy, choice in chosen:
        moved = [k for k, p in enumerate(positions) if k < n_sites or not p.own[choice[k]]]
        notes = _notes(receptor, positions, moved, n_sites, variant)
        built = replace_side_chains(receptor, [(positions[k], choice[k]) for k in moved], notes)
        built = _with_water_notes(built, [positions[k].residue for k in moved])
        labels = tuple(_label(receptor, positions[k], choice[k], numbering, k >= n_sites) for k in moved)
        probability = float(np.prod([positions[k].probability[choice[k]] for k in range(n_sites)]))
        models.append(SideChainModel(built, round(energy, 6), labels, probability))
    return tuple(models)


def _with_water_notes(built: Receptor, residues: list[int]) -> Receptor:
    notes = tuple(
        f"water {built.chain_ids[i]}:{built.author_numbers[i]} overlaps {where}: displaced"
        for i, where in displaced_waters(built, residues).items()
    )
    return dataclasses.replace(built, notes=(*built.notes, *notes)) if notes else built


def _notes(
    receptor: Receptor, positions: list[Candidates], moved: list[int], n_sites: int, variant: Variant
) -> tuple[str, ...]:
    changes = [
        f"{one_letter(str(receptor.residue_names[p.residue]))} to {p.template.letter} "
        f"at {receptor.author_numbers[p.residue]}"
        for p in positions[:n_sites]
    ]
    notes = [f"{variant.label} built ({', '.join(changes)}; author numbers)"]
    repacked = [
        f"{receptor.residue_names[positions[k].residue]} {receptor.author_numbers[positions[k].residue]}"
        for k in moved
        if k >= n_sites
    ]
    if repacked:
        notes.append(f"side chains repacked around {variant.label}: " + ", ".join(repacked))
    return tuple(notes)
