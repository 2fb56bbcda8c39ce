"""Formal charges averaged over resonance forms.

The forms follow Gilson, Gilson and Potter, J. Chem. Inf. Comput. Sci. 2003, 43, 1982 (VCharge): a pair of
electrons moves from a donor to an acceptor along a path of bonds whose orders alternate; the forms of lowest
energy are kept. It makes the three oxygens of a phosphate, or the two nitrogens of an amidinium, equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import FloatArray

_MAX_FORMS = 200_000
"""Give up rather than run for ever on a molecule far larger than a drug."""

_STATES: dict[tuple[int, int, tuple[int, ...]], tuple[str, float]] = {
    (8, 0, (2,)): ("acceptor", 0.0),
    (8, -1, (1,)): ("donor", 5.0),
    (16, 0, (2,)): ("acceptor", 0.0),
    (16, -1, (1,)): ("donor", 5.0),
    (7, 1, (1, 1, 2)): ("acceptor", 5.0),
    (7, 0, (1, 1, 1)): ("donor", 0.0),
    (7, 0, (1, 2)): ("acceptor", 0.0),
    (7, -1, (1, 1)): ("donor", 5.0),
    (7, 0, (3,)): ("acceptor", 0.0),
    (7, -1, (2,)): ("donor", 5.0),
}
"""Element, formal charge and bond orders -> role in electron transfer and energy (Gilson 2003, Table 2)."""

_Form = tuple[tuple[int, ...], tuple[int, ...]]
"""Formal charges of the fragment's atoms, orders of its bonds."""

_Bonds = tuple[int, ...]


@dataclass(frozen=True)
class _Fragment:
    """A conjugated part of a molecule: atoms, their fixed single bonds, and the bonds among them."""

    atoms: tuple[int, ...]
    numbers: tuple[int, ...]
    outer_bonds: tuple[int, ...]
    neighbours: tuple[tuple[tuple[int, int], ...], ...]
    start: _Form

    def role(self, form: _Form, atom: int) -> tuple[str, float]:
        """Return the role and energy of one atom in one form."""
        charges, orders = form
        bonds = sorted([1] * self.outer_bonds[atom] + [orders[bond] for _, bond in self.neighbours[atom]])
        return _STATES.get((self.numbers[atom], charges[atom], tuple(bonds)), ("", 0.0))

    def energy(self, form: _Form) -> float:
        """Return the energy of a form; only differences count."""
        return sum(self.role(form, atom)[1] for atom in range(len(self.atoms)))


def _fragments(molecule: Chem.Mol) -> Iterator[_Fragment]:
    """Yield the connected parts left when hydrogens and neutral sp3 carbons are taken away."""

    def can_conjugate(atom: Chem.Atom) -> bool:
        saturated = atom.GetAtomicNum() == 6 and atom.GetDegree() == 4 and atom.GetFormalCharge() == 0
        return atom.GetAtomicNum() > 1 and not saturated

    kept = {atom.GetIdx() for atom in molecule.GetAtoms() if can_conjugate(atom)}
    while kept:
        stack, atoms = [min(kept)], []
        kept.discard(stack[0])
        while stack:
            atoms.append(stack.pop())
            near = [n.GetIdx() for n in molecule.GetAtomWithIdx(atoms[-1]).GetNeighbors() if n.GetIdx() in kept]
            kept.difference_update(near)
            stack.extend(near)
        yield _make_fragment(molecule, sorted(atoms))


def _make_fragment(molecule: Chem.Mol, atoms: list[int]) -> _Fragment:
    local = {index: position for position, index in enumerate(atoms)}
    neighbours: list[list[tuple[int, int]]] = [[] for _ in atoms]
    orders: list[int] = []
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if i in local and j in local:
            neighbours[local[i]].append((local[j], len(orders)))
            neighbours[local[j]].append((local[i], len(orders)))
            orders.append(int(bond.GetBondTypeAsDouble()))
    rd_atoms = [molecule.GetAtomWithIdx(index) for index in atoms]
    return _Fragment(
        atoms=tuple(atoms),
        numbers=tuple(atom.GetAtomicNum() for atom in rd_atoms),
        outer_bonds=tuple(atom.GetDegree() - len(near) for atom, near in zip(rd_atoms, neighbours, strict=True)),
        neighbours=tuple(tuple(near) for near in neighbours),
        start=(tuple(atom.GetFormalCharge() for atom in rd_atoms), tuple(orders)),
    )


def _transfer_paths(fragment: _Fragment, form: _Form, donor: int, acceptors: set[int]) -> Iterator[tuple[int, _Bonds]]:
    """Yield each acceptor an electron pair can reach from a donor, with the bonds of the path.

    Along the path the bond orders go n, n+1, n, n+1 ...; the move makes them n+1, n, n+1, n ...
    """
    orders = form[1]
    stack: list[tuple[tuple[int, ...], _Bonds]] = [((donor,), ())]
    while stack:
        path, bonds = stack.pop()
        if bonds and len(bonds) % 2 == 0 and path[-1] in acceptors:
            yield path[-1], bonds
        for atom, bond in fragment.neighbours[path[-1]]:
            fits = not bonds or orders[bond] == orders[bonds[0]] + len(bonds) % 2
            if fits and atom not in path:
                stack.append(((*path, atom), (*bonds, bond)))


def _transfers(fragment: _Fragment, form: _Form) -> Iterator[_Form]:
    """Yield the forms that are one electron-pair transfer away."""
    roles = [fragment.role(form, atom)[0] for atom in range(len(fragment.atoms))]
    acceptors = {atom for atom, role in enumerate(roles) if role == "acceptor"}
    for donor in (atom for atom, role in enumerate(roles) if role == "donor"):
        for acceptor, bonds in _transfer_paths(fragment, form, donor, acceptors):
            charges, orders = list(form[0]), list(form[1])
            charges[donor] += 1
            charges[acceptor] -= 1
            for step, bond in enumerate(bonds):
                orders[bond] += -1 if step % 2 else 1
            yield tuple(charges), tuple(orders)


def _mean_charges(fragment: _Fragment) -> FloatArray:
    """Return the mean formal charges over the fragment's forms of lowest energy."""
    seen, to_visit = {fragment.start}, [fragment.start]
    while to_visit:
        for form in _transfers(fragment, to_visit.pop()):
            if form not in seen:
                seen.add(form)
                to_visit.append(form)
        if len(seen) > _MAX_FORMS:
            raise ForceFieldError(
                f"more than {_MAX_FORMS} resonance forms; the molecule is too large for the charge model"
            )
    energies = {form: fragment.energy(form) for form in seen}
    lowest = min(energies.values())
    distinct = sorted({charges for (charges, _), energy in energies.items() if energy < lowest + 0.5})
    mean: FloatArray = np.mean(np.array(distinct, dtype=np.float64), axis=0)
    return mean


def average_formal_charges(molecule: Chem.Mol) -> FloatArray:
    """Return each atom's formal charge, averaged over the resonance forms of lowest energy.

    Parameters
    ----------
    molecule : Chem.Mol
        All hydrogens explicit.

    Returns
    -------
    (n_atoms,) float
        In e; the sum is the molecule's charge.

    Raises
    ------
    ForceFieldError
        The molecule has too many resonance forms to enumerate.
    """
    with BlockLogs():
        normal = Chem.Mol(molecule)
        rdMolStandardize.NormalizeInPlace(normal)
        Chem.Kekulize(normal, clearAromaticFlags=True)
    charges = np.array([atom.GetFormalCharge() for atom in normal.GetAtoms()], dtype=np.float64)
    for fragment in _fragments(normal):
        charges[list(fragment.atoms)] = _mean_charges(fragment)
    return charges
