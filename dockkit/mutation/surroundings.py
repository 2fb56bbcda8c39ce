"""What does not move around a site: the receptor without the flexible side chains, and the ligand."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import FloatArray, IntArray, Receptor, StrArray
from dockkit.core.residues import BACKBONE, WATER
from dockkit.mutation.candidates import Candidates, names_of, side_axes, side_rows
from dockkit.mutation.contacts import (
    CUTOFF,
    join,
    ligand_sites,
    outward_axes,
    pair_energies,
    protein_sites,
)

LOCAL_WEIGHT: Final = 0.5
"""Weight of side-chain contacts four bonds apart with the main chain: the rotamer library holds a part of them."""

WATER_COST: Final = 0.6
"""No water repels a side chain by more, kcal/mol: it can leave."""

DEPTH: Final = {"B": 1, "G": 2, "D": 3, "E": 4, "Z": 5, "H": 6}
"""Bonds from CA, by the Greek letter in an atom's name."""

PHOSPHATE_DEPTH: Final = 4
"""The same for the atoms of a phosphate, at least."""

MAIN_BONDS: Final = (
    (0, {"CA": 0, "N": 1, "C": 1, "O": 2}),
    (-1, {"C": 2, "O": 3, "CA": 3}),
    (1, {"N": 2, "CA": 3}),
)
"""Bonds from a residue's CA to main-chain atoms of itself, the residue before and the one after."""


class Surroundings:
    """Heavy atoms that do not move, with what the contact energy needs of them."""

    def __init__(
        self, receptor: Receptor, flexible: set[int], ligand_xyz: FloatArray, ligand_elements: StrArray
    ) -> None:
        heavy = np.flatnonzero(receptor.elements != "H")
        axes, _ = outward_axes(receptor.coordinates[heavy])
        side = ~np.isin(receptor.atom_names, sorted(BACKBONE)) | (receptor.atom_names == "CB")
        moving = np.isin(receptor.atom_residue, sorted(flexible)) & side
        still = ~moving[heavy]
        rows = heavy[still]
        residues = receptor.atom_residue[rows]
        drawn = ligand_elements != "H"
        n_ligand = int(drawn.sum())
        ligand_axes, bonds = outward_axes(ligand_xyz[drawn])
        protein = protein_sites(receptor.residue_names[residues], receptor.atom_names[rows], receptor.elements[rows])
        self.sites = join(protein, ligand_sites(ligand_elements[drawn], bonds))
        self.water = np.concatenate([receptor.residue_names[residues] == WATER, np.zeros(n_ligand, dtype=bool)])
        self.xyz = np.concatenate([receptor.coordinates[rows], ligand_xyz[drawn]])
        self.axes = np.concatenate([axes[still], ligand_axes])
        self.residue = np.concatenate([residues, np.full(n_ligand, -1)])
        self.names = np.concatenate([receptor.atom_names[rows], np.full(n_ligand, "LIG")])
        self.receptor = receptor
        self.tree = cKDTree(self.xyz)

    def _weights(self, candidates: Candidates, near: IntArray) -> FloatArray:
        """Return pair weights (n_side, n_near): 0 within three bonds, less at four."""
        index, receptor = candidates.residue, self.receptor
        atoms = candidates.template.atoms[side_rows(candidates.template)]
        depth = np.array([DEPTH.get(str(name)[1:2], PHOSPHATE_DEPTH) for name in atoms])
        distance = np.full(len(near), 99)
        for offset, bonds in MAIN_BONDS:
            other = index + offset
            if not 0 <= other < receptor.n_residues or receptor.segments[other] != receptor.segments[index]:
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

    def energies(self, candidates: Candidates) -> tuple[FloatArray, IntArray]:
        """Return contact energies (k, n_near) of each conformer with each nearby atom, and the atoms' rows."""
        template = candidates.template
        centre = candidates.coordinates[0, template.index("CA")]
        rows = side_rows(template)
        if len(rows) == 0:
            return np.zeros((len(candidates.chis), 0)), np.zeros(0, dtype=np.int64)
        spread = np.linalg.norm(template.coordinates[rows] - template.coordinates[template.index("CA")], axis=1)
        reach = 1.1 * float(spread.max()) + CUTOFF
        near = np.array(sorted(self.tree.query_ball_point(centre, reach)), dtype=np.int64)
        energy = pair_energies(
            protein_sites(*names_of(template, rows)), candidates.coordinates[:, rows],
            side_axes(template, candidates.coordinates), self.sites.take(near), self.xyz[near], self.axes[near],
            self._weights(candidates, near),
        )  # fmt: skip
        return np.where(self.water[near], np.minimum(energy, WATER_COST), energy), near

    def score(self, candidates: Candidates) -> None:
        """Set the energies of candidates: strain and contacts."""
        contacts, _ = self.energies(candidates)
        candidates.energy = candidates.strain + contacts.sum(axis=1)
