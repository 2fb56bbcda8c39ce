"""Hydrogen-bond networks: movable groups with a few positions each, and the joint choice of lowest energy.

Scoring by hydrogen bonds and clashes with hydrogens present, and solving interacting groups together, are ideas of
Word, Lovell, Richardson & Richardson, J. Mol. Biol. 1999, 285, 1735; the energy and the solver are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import FloatArray, IntArray

COULOMB: Final = 332.06
DIELECTRIC: Final = 4.0
"""Times the distance in Angstrom: a distance-dependent dielectric keeps the energy local."""

REACH: Final = 6.0
"""Pairs of atoms further apart do not count, Angstrom."""

TOLERANCE: Final = 0.4
"""Overlap of two radii that costs nothing, Angstrom (more for a hydrogen bond)."""

BOND_OVERLAP: Final = 0.4
"""Further overlap that a polar hydrogen and an acceptor may have, Angstrom."""

STIFFNESS: Final = 10.0
"""Cost of the squared overlap, kcal/mol/A^2."""

GHOST: Final = -9.0
"""Radius of an atom that is not there in one option of a site."""

LARGEST_TABLE: Final = 400_000
"""Entries of the largest table the exact solver may build; beyond, groups are settled one after the other."""


@dataclass(slots=True)
class Atoms:
    """Atoms as the energy sees them.

    Parameters
    ----------
    xyz : (..., 3) float
        Angstrom.
    charges : (...) float
        Partial charges, e.
    radii : (...) float
        Angstrom; ``GHOST`` for an atom that is absent.
    """

    xyz: FloatArray
    charges: FloatArray
    radii: FloatArray

    def flat(self) -> Atoms:
        """Return the atoms as one list."""
        return Atoms(self.xyz.reshape(-1, 3), self.charges.ravel(), self.radii.ravel())

    def take(self, rows: IntArray) -> Atoms:
        """Return some atoms of a list."""
        return Atoms(self.xyz[rows], self.charges[rows], self.radii[rows])


def energies(first: Atoms, second: Atoms) -> FloatArray:
    """Return the energy of each pair of atoms, (n, m) float in kcal/mol: screened Coulomb and a soft wall."""
    squared = ((first.xyz[:, None] - second.xyz[None]) ** 2).sum(axis=-1)
    distance = np.sqrt(squared)
    product = first.charges[:, None] * second.charges[None]
    coulomb = COULOMB / DIELECTRIC * product / np.maximum(squared, 1.5)
    taper = np.clip(1.0 - squared / REACH**2, 0.0, None)
    allowed = TOLERANCE + BOND_OVERLAP * (product < -0.05)
    overlap = np.maximum(first.radii[:, None] + second.radii[None] - allowed - distance, 0.0)
    return np.asarray(coulomb * taper + STIFFNESS * overlap**2)


@dataclass(slots=True)
class Site:
    """A group that can be in one of several positions.

    Parameters
    ----------
    atoms : Atoms
        (n_options, n_atoms) each.
    cost : (n_options,) float
        Energy of an option by itself and with everything that does not move, kcal/mol.
    """

    atoms: Atoms
    cost: FloatArray

    @property
    def n_options(self) -> int:
        """Number of positions."""
        return len(self.cost)


class Environment:
    """Atoms that do not move.

    Parameters
    ----------
    atoms : Atoms
        (n_atoms,) each.
    owners : (n_atoms,) int
        Residue whose own sites leave the atom out (side-chain atoms), or -1.
    """

    def __init__(self, atoms: Atoms, owners: IntArray) -> None:
        self.atoms = atoms
        self.owners = owners
        self._tree = cKDTree(atoms.xyz) if len(atoms.xyz) else None

    def energy(self, site: Atoms, owner: int) -> FloatArray:
        """Return the energy of each option with all fixed atoms but those of one owner, (n_options,) float."""
        if self._tree is None:
            return np.zeros(len(site.charges))
        flat = site.flat()
        near = {row for rows in self._tree.query_ball_point(flat.xyz, REACH) for row in rows}
        rows = np.array([row for row in sorted(near) if self.owners[row] != owner], dtype=np.int64)
        table = energies(flat, self.atoms.take(rows)).sum(axis=1)
        return np.asarray(table.reshape(site.charges.shape).sum(axis=1))


@dataclass(slots=True)
class _Factor:
    scope: tuple[int, ...]
    table: FloatArray


class Network:
    """Sites and the energies between them."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = list(sites)
        self.pairs: dict[tuple[int, int], FloatArray] = {}
        centres = [site.atoms.xyz.reshape(-1, 3) for site in self.sites]
        boxes = [(c.min(axis=0), c.max(axis=0)) for c in centres]
        for i, j in combinations(range(len(self.sites)), 2):
            gap = np.maximum(np.maximum(boxes[i][0] - boxes[j][1], boxes[j][0] - boxes[i][1]), 0.0)
            if float(gap @ gap) > REACH**2:
                continue
            table = self._pair(self.sites[i], self.sites[j])
            varying = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
            if np.abs(varying).max() > 0.02:
                self.pairs[i, j] = table
            else:
                self.sites[i].cost = self.sites[i].cost + table.mean(axis=1)
                self.sites[j].cost = self.sites[j].cost + table.mean(axis=0) - table.mean()

    @staticmethod
    def _pair(first: Site, second: Site) -> FloatArray:
        table = energies(first.atoms.flat(), second.atoms.flat())
        shape = (*first.atoms.charges.shape, *second.atoms.charges.shape)
        return np.asarray(table.reshape(shape).sum(axis=(1, 3)))

    def components(self) -> list[list[int]]:
        """Return groups of sites that interact, directly or through others, in order."""
        leader = list(range(len(self.sites)))

        def find(i: int) -> int:
            while leader[i] != i:
                i = leader[i]
            return i

        for i, j in self.pairs:
            a, b = sorted((find(i), find(j)))
            leader[b] = a
        groups: dict[int, list[int]] = {}
        for i in range(len(self.sites)):
            groups.setdefault(find(i), []).append(i)
        return list(groups.values())

    def solve(self, members: Sequence[int], allowed: dict[int, IntArray] | None = None) -> tuple[float, dict[int, int]]:
        """Return the lowest energy of some sites and the option of each.

        Parameters
        ----------
        members : sequence of int
            A component, or part of one.
        allowed : dict of int to (n,) int, optional
            Options a site is restricted to.

        Returns
        -------
        energy : float
            kcal/mol.
        choice : dict of int to int
            Exact where the tables stay below ``LARGEST_TABLE``; else the best of repeated sweeps.
        """
        options = {i: (allowed or {}).get(i, np.arange(self.sites[i].n_options)) for i in members}
        factors = [_Factor((i,), self.sites[i].cost[options[i]]) for i in members]
        factors += [
            _Factor((i, j), table[np.ix_(options[i], options[j])])
            for (i, j), table in self.pairs.items()
            if i in options and j in options
        ]
        rows = _eliminate(factors, {i: len(options[i]) for i in members})
        if rows is None:
            rows = _sweep(factors, {i: len(options[i]) for i in members})
        energy = sum(float(factor.table[tuple(rows[i] for i in factor.scope)]) for factor in factors)
        return energy, {i: int(options[i][rows[i]]) for i in members}


def _join(factors: Sequence[_Factor], sizes: dict[int, int]) -> _Factor:
    scope = tuple(sorted({i for factor in factors for i in factor.scope}))
    table = np.zeros([sizes[i] for i in scope])
    for factor in factors:
        order = tuple(np.argsort(factor.scope))
        shape = [sizes[i] if i in factor.scope else 1 for i in scope]
        table = table + np.transpose(factor.table, order).reshape(shape)
    return _Factor(scope, table)


def _table_size(variable: int, pool: Sequence[_Factor], sizes: dict[int, int]) -> int:
    scope = {k for factor in pool if variable in factor.scope for k in factor.scope}
    return int(np.prod([sizes[k] for k in scope]))


def _eliminate(factors: Sequence[_Factor], sizes: dict[int, int]) -> dict[int, int] | None:
    """Minimise a sum of tables exactly, one variable after the other; None where a table would grow too large."""
    pool = list(factors)
    waiting = set(sizes)
    steps: list[tuple[int, _Factor]] = []
    while waiting:
        cost, variable = min((_table_size(i, pool, sizes), i) for i in waiting)
        if cost > LARGEST_TABLE:
            return None
        joined = _join([factor for factor in pool if variable in factor.scope], sizes)
        pool = [factor for factor in pool if variable not in factor.scope]
        axis = joined.scope.index(variable)
        rest = joined.scope[:axis] + joined.scope[axis + 1 :]
        if rest:
            pool.append(_Factor(rest, joined.table.min(axis=axis)))
        steps.append((variable, joined))
        waiting.discard(variable)
    rows: dict[int, int] = {}
    for variable, joined in reversed(steps):
        axis = joined.scope.index(variable)
        index = tuple(slice(None) if k == variable else rows[k] for k in joined.scope)
        rows[variable] = int(np.argmin(np.round(joined.table[index], 9)))
    return rows


def _sweep(factors: Sequence[_Factor], sizes: dict[int, int]) -> dict[int, int]:
    """Minimise a sum of tables by turns, from every site's own best option; deterministic, not always the optimum."""
    rows = {i: int(np.argmin(next(factor.table for factor in factors if factor.scope == (i,)))) for i in sorted(sizes)}
    touching = {i: [factor for factor in factors if i in factor.scope] for i in sizes}
    for _ in range(50):
        before = dict(rows)
        for i in sorted(sizes):
            local = np.zeros(sizes[i])
            for factor in touching[i]:
                local += factor.table[tuple(slice(None) if k == i else rows[k] for k in factor.scope)]
            rows[i] = int(np.argmin(np.round(local, 9)))
        if rows == before:
            break
    return rows
