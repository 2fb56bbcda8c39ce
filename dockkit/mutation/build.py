"""Build a variant: rotamer search at the substituted sites, neighbours repacked where that relieves clashes."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from dockkit.core.errors import MutationError
from dockkit.core.model import FloatArray, Numbering, Receptor, SideChainModel, StrArray, Variant
from dockkit.core.residues import BACKBONE, WATER, one_letter, rotamers, templates, three_letter
from dockkit.mutation.assemble import replace_side_chains
from dockkit.mutation.candidates import (
    Candidates,
    chi_strain,
    conform,
    frame_of,
    library_candidates,
    merge,
    names_of,
    own_candidate,
    same_rotamer,
    side_rows,
)
from dockkit.mutation.check import site_indices
from dockkit.mutation.contacts import Sites, join, ligand_sites, pair_energies, protein_sites
from dockkit.mutation.waters import displaced_waters

REACH: Final = 14.0
"""Atoms further than this from a site's CA cannot touch its side chain, Angstrom."""

KEPT_SITE: Final = 40
KEPT_NEIGHBOUR: Final = 24
MAX_NEIGHBOURS: Final = 6
CLASH_ENERGY: Final = 0.6
"""A neighbour that repels a likely conformer by more than this is repacked, kcal/mol."""

LOCAL_WEIGHT: Final = 0.5
"""Weight of side-chain contacts four bonds apart with the main chain: the rotamer library holds a part of them."""

WATER_COST: Final = 1.5
"""No water repels a side chain by more, kcal/mol: it can leave."""

DEPTH: Final = {"B": 1, "G": 2, "D": 3, "E": 4, "Z": 5, "H": 6}
"""Bonds from CA, by the Greek letter in an atom's name."""

PHOSPHATE_DEPTH: Final = 4
"""The same for the atoms of a phosphate, at least."""


class Surroundings:
    """Heavy atoms that do not move: the receptor without the flexible side chains, and the ligand."""

    def __init__(
        self, receptor: Receptor, flexible: set[int], ligand_xyz: FloatArray, ligand_elements: StrArray
    ) -> None:
        side = ~np.isin(receptor.atom_names, sorted(BACKBONE)) | (receptor.atom_names == "CB")
        moving = np.isin(receptor.atom_residue, sorted(flexible)) & side
        rows = np.flatnonzero((receptor.elements != "H") & ~moving)
        residues = receptor.atom_residue[rows]
        heavy = ligand_elements != "H"
        protein = protein_sites(receptor.residue_names[residues], receptor.atom_names[rows], receptor.elements[rows])
        self.water = np.concatenate([receptor.residue_names[residues] == WATER, np.zeros(int(heavy.sum()), dtype=bool)])
        self.sites: Sites = join(protein, ligand_sites(ligand_elements[heavy]))
        n_ligand = int(heavy.sum())
        self.xyz = np.concatenate([receptor.coordinates[rows], ligand_xyz[heavy]])
        self.residue = np.concatenate([residues, np.full(n_ligand, -1)])
        self.names = np.concatenate([receptor.atom_names[rows], np.full(n_ligand, "LIG")])
        self.receptor = receptor
        self.tree = cKDTree(self.xyz)

    def _weights(self, candidates: Candidates, near: np.ndarray) -> FloatArray:
        """Return pair weights (n_side, n_near): 0 within three bonds, less at four."""
        index, receptor = candidates.residue, self.receptor
        atoms = candidates.template.atoms[side_rows(candidates.template)]
        depth = np.array([DEPTH.get(str(name)[1:2], PHOSPHATE_DEPTH) for name in atoms])
        distance = np.full(len(near), 99)
        own = {"CA": 0, "N": 1, "C": 1, "O": 2}
        before = {"C": 2, "O": 3, "CA": 3}
        after = {"N": 2, "CA": 3}
        segment = receptor.segments[index]
        for offset, bonds in ((0, own), (-1, before), (1, after)):
            other = index + offset
            if not 0 <= other < receptor.n_residues or receptor.segments[other] != segment:
                continue
            for name, count in bonds.items():
                distance[(self.residue[near] == other) & (self.names[near] == name)] = count
        bonds_apart = depth[:, None] + distance[None]
        weights = np.where(bonds_apart <= 3, 0.0, np.where(bonds_apart == 4, LOCAL_WEIGHT, 1.0))
        if candidates.template.name == "PRO":
            weights[:, distance < 99] = 0.0
        for pair in receptor.disulfides:
            if index in pair:
                partner = int(pair[0] if pair[1] == index else pair[1])
                weights[:, (self.residue[near] == partner) & np.isin(self.names[near], ["SG", "CB"])] = 0.0
        return np.asarray(weights)

    def energies(self, candidates: Candidates) -> tuple[FloatArray, np.ndarray]:
        """Return contact energies (k, n_near) of each conformer with each nearby atom, and the atoms' rows."""
        centre = candidates.coordinates[0, candidates.template.index("CA")]
        near = np.array(sorted(self.tree.query_ball_point(centre, REACH)), dtype=np.int64)
        rows = side_rows(candidates.template)
        sites = protein_sites(*names_of(candidates.template, rows))
        xyz = candidates.coordinates[:, rows]
        energy = pair_energies(sites, xyz, self.sites.take(near), self.xyz[near], self._weights(candidates, near))
        return np.where(self.water[near], np.minimum(energy, WATER_COST), energy), near

    def score(self, candidates: Candidates) -> None:
        """Set the energies of candidates: strain and contacts."""
        contacts, _ = self.energies(candidates)
        candidates.energy = candidates.strain + contacts.sum(axis=1)


def _refine(candidates: Candidates, around: Surroundings, receptor: Receptor) -> Candidates:
    """Turn each chi of each conformer downhill, by 10, 5 and 2.5 degrees."""
    name = candidates.template.name
    if name == "PRO" or candidates.chis.shape[1] == 0:
        return candidates
    frame, library = frame_of(receptor, candidates.residue), rotamers(name)
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


def _site_candidates(receptor: Receptor, index: int, name: str, around: Surroundings) -> Candidates:
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


def _clashing_neighbours(
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


def _neighbour_candidates(receptor: Receptor, index: int, around: Surroundings) -> Candidates | None:
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
    energy = pair_energies(sites_a, a.coordinates[:, rows_a], repeated, flat)
    return np.asarray(energy.reshape(len(a.chis), len(b.chis), len(rows_b)).sum(axis=2))


def _pack(positions: list[Candidates], fixed: int, start: list[list[int]]) -> list[tuple[float, tuple[int, ...]]]:
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


def _starts(sites: list[Candidates], n_neighbours: int) -> list[list[int]]:
    """Return starting choices: every conformer of one site, or the best combinations of several."""
    per_site = max(3, int(80 ** (1.0 / len(sites)))) if len(sites) > 1 else KEPT_SITE + 1
    grids = np.meshgrid(*[np.arange(min(per_site, len(s.chis))) for s in sites], indexing="ij")
    combos = np.stack([g.ravel() for g in grids], axis=1)
    total = sum(s.energy[combos[:, k]] for k, s in enumerate(sites))
    order = np.argsort(np.round(np.asarray(total), 9), kind="stable")[:200]
    return [[int(v) for v in combos[row]] + [0] * n_neighbours for row in order]


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
    sites = [_site_candidates(receptor, i, name, around) for i, name in zip(indices, names, strict=True)]
    neighbours = _clashing_neighbours(receptor, sites, around, taken)
    if neighbours:
        around = Surroundings(receptor, taken | set(neighbours), xyz, elements)
        sites = [_site_candidates(receptor, i, name, around) for i, name in zip(indices, names, strict=True)]
    options = [_neighbour_candidates(receptor, i, around) for i in neighbours]
    moving = [item for item in options if item is not None]
    positions = [*sites, *moving]
    packed = _pack(positions, len(sites), _starts(sites, len(moving)))
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
