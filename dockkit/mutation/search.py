"""Search for the side chains of a variant: conformers of each site, neighbours in the way, the best combinations."""

from __future__ import annotations

from typing import Final

import numpy as np

from dockkit.core.model import FloatArray, Receptor
from dockkit.core.residues import BACKBONE, templates
from dockkit.core.rotamers import backbone_rotamers
from dockkit.mutation.candidates import (
    Candidates,
    chi_strain,
    conform,
    frame_of,
    library_candidates,
    merge,
    names_of,
    own_candidate,
    side_axes,
    side_rows,
)
from dockkit.mutation.contacts import pair_energies, protein_sites
from dockkit.mutation.surroundings import Surroundings

KEPT_SITE: Final = 40
KEPT_NEIGHBOUR: Final = 24
MAX_NEIGHBOURS: Final = 6
CLASH_ENERGY: Final = 0.2
"""A neighbour that repels a likely conformer by more than this is repacked, kcal/mol."""


def _refine(candidates: Candidates, around: Surroundings, receptor: Receptor) -> Candidates:
    """Turn each chi of each conformer downhill, by 10, 5 and 2.5 degrees."""
    name = candidates.template.name
    if name == "PRO" or candidates.chis.shape[1] == 0:
        return candidates
    frame = frame_of(receptor, candidates.residue)
    library = backbone_rotamers(name, frame.phi, frame.psi)
    current = candidates
    for step in (10.0, 5.0, 2.5):
        for column in range(current.chis.shape[1]):
            for sign in (-1.0, 1.0):
                chis = current.chis.copy()
                chis[:, column] += sign * step
                strain, probability = chi_strain(library, chis, name)
                trial = Candidates(
                    current.residue, current.template, chis, conform(current.template, chis, frame), strain,
                    probability, current.own, current.energy,
                )  # fmt: skip
                around.score(trial)
                better = trial.energy < current.energy - 1e-9
                for field in ("chis", "coordinates", "strain", "probability", "energy"):
                    getattr(current, field)[better] = getattr(trial, field)[better]
    return current


def _distinct(candidates: Candidates, limit: int) -> Candidates:
    """Return the best conformers, at most ``limit``, none within 12 degrees of a better one on every chi."""
    order = np.argsort(np.round(candidates.energy, 9), kind="stable")
    kept: list[int] = []
    for row in order:
        chis = candidates.chis[row]
        close = any(np.abs((chis - candidates.chis[k] + 180) % 360 - 180).max(initial=0.0) < 12.0 for k in kept)
        if not close:
            kept.append(int(row))
        if len(kept) == limit:
            break
    return candidates.take(np.array(kept))


def site_candidates(receptor: Receptor, index: int, name: str, around: Surroundings) -> Candidates:
    """Return the refined conformers of a substituted residue, best first."""
    library = library_candidates(index, name, frame_of(receptor, index), (0.0, -1.0, 1.0))
    around.score(library)
    best = _refine(_distinct(library, KEPT_SITE), around, receptor)
    parts = [best]
    if str(receptor.residue_names[index]) == name and (own := own_candidate(receptor, index)) is not None:
        around.score(own)
        parts.append(own)
    merged = merge(parts)
    return merged.take(np.argsort(np.round(merged.energy, 9), kind="stable"))


def clashing_neighbours(
    receptor: Receptor, sites: list[Candidates], around: Surroundings, taken: set[int]
) -> list[int]:
    """Return residues whose side chains repel the likeliest conformers, worst first."""
    bridged = set(receptor.disulfides.ravel().tolist())
    movable = {
        i
        for i, name in enumerate(receptor.residue_names)
        if name in templates() and name not in ("GLY", "ALA", "PRO") and i not in bridged and i not in taken
    }
    worst: dict[int, float] = {}
    for site in sites:
        contacts, near = around.energies(site)
        names, owners = around.names[near], around.residue[near]
        side = ~np.isin(names, sorted(BACKBONE)) & (names != "CB")
        weight = np.exp(-np.arange(len(contacts)) / 8.0)
        for owner in sorted({int(o) for o in owners[side]} & movable):
            repulsion = np.maximum(contacts[:, side & (owners == owner)].sum(axis=1), 0.0)
            value = float((repulsion * weight).max(initial=0.0))
            if value > CLASH_ENERGY:
                worst[owner] = max(worst.get(owner, 0.0), value)
    return sorted(worst, key=lambda i: (-worst[i], i))[:MAX_NEIGHBOURS]


def neighbour_candidates(receptor: Receptor, index: int, around: Surroundings) -> Candidates | None:
    """Return what a neighbour may do: stay as it is, or take another conformer; None where it lacks atoms."""
    own = own_candidate(receptor, index)
    if own is None:
        return None
    library = library_candidates(index, str(receptor.residue_names[index]), frame_of(receptor, index), (0.0, -1.0, 1.0))
    around.score(library)
    around.score(own)
    return merge([own, _distinct(library, KEPT_NEIGHBOUR)])


def _pair_matrix(a: Candidates, b: Candidates) -> FloatArray:
    """Return contact energies (k_a, k_b) between the conformers of two residues."""
    rows_a, rows_b = side_rows(a.template), side_rows(b.template)
    if len(rows_a) == 0 or len(rows_b) == 0:
        return np.zeros((len(a.chis), len(b.chis)))
    sites_a, sites_b = protein_sites(*names_of(a.template, rows_a)), protein_sites(*names_of(b.template, rows_b))
    flat = b.coordinates[:, rows_b].reshape(-1, 3)
    repeated = sites_b.take(np.tile(np.arange(len(rows_b)), len(b.chis)))
    axes_a = side_axes(a.template, a.coordinates)
    axes_b = side_axes(b.template, b.coordinates).reshape(-1, 3)
    energy = pair_energies(sites_a, a.coordinates[:, rows_a], axes_a, repeated, flat, axes_b)
    return np.asarray(energy.reshape(len(a.chis), len(b.chis), len(rows_b)).sum(axis=2))


def pack(positions: list[Candidates], fixed: int, start: list[list[int]]) -> list[tuple[float, tuple[int, ...]]]:
    """Return energy and choice for each start, the first ``fixed`` positions held, the others set one by one.

    Each position in turn takes its best conformer given the others, until none changes (iterated conditional modes).
    """
    n = len(positions)
    pair = {(i, j): _pair_matrix(positions[i], positions[j]) for i in range(n) for j in range(i + 1, n)}

    def field(i: int, choice: list[int]) -> FloatArray:
        total = positions[i].energy.copy()
        for j in range(n):
            if j != i:
                total += pair[i, j][:, choice[j]] if i < j else pair[j, i][choice[j]]
        return total

    results = []
    for initial in start:
        choice = list(initial)
        for _ in range(6):
            before = list(choice)
            for i in range(fixed, n):
                choice[i] = int(np.argmin(np.round(field(i, choice), 9)))
            if choice == before:
                break
        energy = sum(float(positions[i].energy[choice[i]]) for i in range(n))
        energy += sum(float(pair[i, j][choice[i], choice[j]]) for i, j in pair)
        results.append((energy, tuple(choice)))
    return sorted(results, key=lambda item: (round(item[0], 9), item[1]))


def starts(sites: list[Candidates], n_neighbours: int) -> list[list[int]]:
    """Return starting choices: every conformer of one site, or the best combinations of several."""
    per_site = max(3, int(80 ** (1.0 / len(sites)))) if len(sites) > 1 else KEPT_SITE + 1
    grids = np.meshgrid(*[np.arange(min(per_site, len(s.chis))) for s in sites], indexing="ij")
    combos = np.stack([g.ravel() for g in grids], axis=1)
    total = sum(s.energy[combos[:, k]] for k, s in enumerate(sites))
    order = np.argsort(np.round(np.asarray(total), 9), kind="stable")[:200]
    return [[int(v) for v in combos[row]] + [0] * n_neighbours for row in order]
