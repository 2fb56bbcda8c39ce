"""Lay a molecule with known bonds on the bare atoms of a crystal: by atom names, else by elements and distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFMCS
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray, HetGroup, StrArray
from dockkit.core.molecule import forget_exchanging_centres, skeleton

SLACKS: Final = (0.3, 0.45, 0.6)
"""Angstrom beyond the sum of covalent radii (Cordero et al., Dalton Trans. 2008, 2832) within which atoms are bonded;
the wider ones for structures of low resolution."""

SHORTEST: Final = 0.8
"""Angstrom: atoms closer than this overlap."""

MAX_MATCHES: Final = 4000
MAX_COMPARED: Final = 100
"""Symmetric ways to lay the template that are compared by stereo."""

FLAT_CENTRE: Final = 0.25
"""Triple product of the unit vectors to three neighbours below which a centre is too flat to decide; 0.77 is ideal."""

TWISTED: Final = 0.5
"""Cosine of the torsion below which a double bond is neither cis nor trans."""

MAX_BROKEN: Final = 0.1
"""Share of bonds that may be too long or too short where the atom names say how the template lies."""

_SHRINK: Final = {1.0: 1.0, 1.5: 0.915, 2.0: 0.87, 3.0: 0.78}
"""Length of a bond by order, as a share of the sum of single-bond radii."""

_FMCS_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Match:
    """How a template lies on a group.

    Parameters
    ----------
    order : tuple of int
        Template atom of each atom of the group.
    missing : tuple of int
        Template atoms that the group lacks.
    by_name : bool
        Laid by atom names, else by elements and distances.
    broken : tuple of (int, int, float)
        Group atoms bonded in the template at a distance that no bond has, Angstrom.
    """

    order: tuple[int, ...]
    missing: tuple[int, ...]
    by_name: bool
    broken: tuple[tuple[int, int, float], ...] = ()


def match_template(template: Chem.Mol, group: HetGroup) -> Match:
    """Return how a molecule lies on the atoms of a group.

    Parameters
    ----------
    template : Chem.Mol
        Heavy atoms with bond orders; with the atom properties ``name`` and ``old_name`` names are tried first.
    group : HetGroup
        Heavy atoms.

    Returns
    -------
    Match
        Every atom of the group has a template atom; the template may have more.

    Raises
    ------
    LigandError
        The group has atoms that the template lacks, or other connections; the message names them.
    """
    named = _by_name(template, group)
    if named is not None and len(named.broken) <= MAX_BROKEN * max(1, template.GetNumBonds()):
        return named
    found = _by_graph(template, group)
    if found is not None:
        return found
    raise LigandError(f"{group.label}: {_difference(template, group)}")


def bonded_pairs(elements: StrArray, coordinates: FloatArray, slack: float) -> list[tuple[int, int]]:
    """Return the pairs of atoms that lie within bonding distance.

    Parameters
    ----------
    elements : (n,) str
    coordinates : (n, 3) float
        Angstrom.
    slack : float
        Angstrom beyond the sum of the covalent radii.

    Returns
    -------
    list of (int, int)
    """
    radii = covalent_radii(elements)
    distances = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=-1)
    near = (distances < radii[:, None] + radii[None] + slack) & (distances > SHORTEST)
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True)]


def covalent_radii(elements: StrArray) -> FloatArray:
    """Return single-bond covalent radii, Angstrom, (n,) float."""
    table = Chem.GetPeriodicTable()
    return np.array([table.GetRcovalent(str(element).capitalize()) for element in elements], dtype=np.float64)


# --------------------------------------------------------------------------- by name


def _by_name(template: Chem.Mol, group: HetGroup) -> Match | None:
    names = [str(name) for name in group.atom_names]
    for key in ("name", "old_name"):
        place = {atom.GetProp(key): atom.GetIdx() for atom in template.GetAtoms() if atom.HasProp(key)}
        if len(set(names)) < len(names) or not set(names) <= set(place):
            continue
        order = tuple(place[name] for name in names)
        symbols = [template.GetAtomWithIdx(k).GetSymbol().upper() for k in order]
        if symbols == [str(element).upper() for element in group.elements]:
            missing = tuple(k for k in range(template.GetNumAtoms()) if k not in set(order))
            return Match(order, missing, True, _broken(template, group, order))
    return None


def _broken(template: Chem.Mol, group: HetGroup, order: tuple[int, ...]) -> tuple[tuple[int, int, float], ...]:
    place = {old: new for new, old in enumerate(order)}
    radii = covalent_radii(group.elements)
    found = []
    for bond in template.GetBonds():
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        if all(end in place for end in ends):
            a, b = place[ends[0]], place[ends[1]]
            length = float(np.linalg.norm(group.coordinates[a] - group.coordinates[b]))
            if not SHORTEST < length < radii[a] + radii[b] + SLACKS[1]:
                found.append((a, b, length))
    return tuple(found)


# --------------------------------------------------------------------------- by graph


def _by_graph(template: Chem.Mol, group: HetGroup) -> Match | None:
    plain, _ = skeleton(template)
    for slack in SLACKS:
        crystal = crystal_skeleton(group, slack)
        orders = _orders(plain, crystal)
        if orders:
            order = _best(template, group, orders)
            missing = tuple(k for k in range(template.GetNumAtoms()) if k not in set(order))
            return Match(order, missing, False, _broken(template, group, order))
    return None


def crystal_skeleton(group: HetGroup, slack: float = SLACKS[1]) -> Chem.Mol:
    """Return the atoms of a group joined by single bonds where they lie within bonding distance."""
    crystal = Chem.RWMol()
    for element in group.elements:
        crystal.AddAtom(Chem.Atom(str(element).capitalize()))
    for a, b in bonded_pairs(group.elements, group.coordinates, slack):
        crystal.AddBond(a, b, Chem.BondType.SINGLE)
    return crystal.GetMol()


def _orders(plain: Chem.Mol, crystal: Chem.Mol) -> list[tuple[int, ...]]:
    """Return the template atom of each crystal atom, for every way to lay one on the other."""
    n = crystal.GetNumAtoms()
    if plain.GetNumAtoms() == n:
        forward = crystal.GetSubstructMatches(plain, uniquify=False, maxMatches=MAX_MATCHES)
        return [tuple(int(k) for k in np.argsort(match)) for match in forward]
    if plain.GetNumAtoms() > n and len(Chem.GetMolFrags(crystal)) == 1:
        return [tuple(m) for m in plain.GetSubstructMatches(crystal, uniquify=False, maxMatches=MAX_MATCHES)]
    return []


def _best(template: Chem.Mol, group: HetGroup, orders: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Choose by stereo first, then by how well the bond lengths fit the bond orders."""
    ranking: list[int] = np.argsort(_misfits(template, group, np.array(orders)), kind="stable")[:MAX_COMPARED].tolist()
    if len(ranking) > 1 and any(atom.GetChiralTag() for atom in template.GetAtoms()):
        wrong = [len(stereo_differences(reordered(template, orders[k]), group.coordinates).wrong) for k in ranking]
        return orders[ranking[wrong.index(min(wrong))]]
    return orders[ranking[0]]


def _misfits(template: Chem.Mol, group: HetGroup, orders: np.ndarray) -> FloatArray:
    """Return the sum over bonds of squared deviations from ideal lengths, Angstrom^2, one for each order."""
    place = np.full((len(orders), template.GetNumAtoms()), -1)
    np.put_along_axis(place, orders, np.arange(orders.shape[1])[None], axis=1)
    radii = covalent_radii(group.elements)
    total = np.zeros(len(orders))
    for bond in template.GetBonds():
        a, b = place[:, bond.GetBeginAtomIdx()], place[:, bond.GetEndAtomIdx()]
        ideal = (radii[a] + radii[b]) * _SHRINK.get(bond.GetBondTypeAsDouble(), 1.0)
        length = np.linalg.norm(group.coordinates[a] - group.coordinates[b], axis=1)
        total += np.where((a >= 0) & (b >= 0), (length - ideal) ** 2, 0.0)
    return total


def reordered(template: Chem.Mol, order: tuple[int, ...], missing: tuple[int, ...] = ()) -> Chem.Mol:
    """Return the template with its atoms in the order of the group; atoms that the group lacks come last."""
    return Chem.RenumberAtoms(template, [*order, *missing])


# --------------------------------------------------------------------------- stereo


@dataclass(frozen=True, slots=True)
class StereoReport:
    """What coordinates say of the stereochemistry of a template.

    Parameters
    ----------
    molecule : Chem.Mol
        The template with the stereo of the coordinates where they decide, else its own.
    wrong : tuple of str
        Centres that the coordinates show the other way round.
    undecided : tuple of str
        Centres too flat, or double bonds too twisted; the template's stereo stands.
    new : tuple of str
        Centres that the template leaves open.
    """

    molecule: Chem.Mol
    wrong: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def stereo_differences(
    molecule: Chem.Mol, coordinates: FloatArray, skip: frozenset[int] = frozenset(), names: StrArray | None = None
) -> StereoReport:
    """Compare the stereochemistry of a molecule with that of coordinates.

    Parameters
    ----------
    molecule : Chem.Mol
        Heavy atoms; the first ones are those of ``coordinates``.
    coordinates : (n, 3) float
        Angstrom.
    skip : set of int
        Atoms whose stereo the coordinates cannot tell (they have reacted): the template's stands.
    names : (n,) str, optional
        Atom names, for the report.

    Returns
    -------
    StereoReport
    """
    n = len(coordinates)
    expected = Chem.Mol(molecule)
    expected.RemoveAllConformers()
    forget_exchanging_centres(expected)
    observed = Chem.Mol(expected)
    if n == molecule.GetNumAtoms():
        conformer = Chem.Conformer(n)
        conformer.SetPositions(np.ascontiguousarray(coordinates, dtype=np.float64))
        observed.AddConformer(conformer)
        with BlockLogs():
            Chem.AssignStereochemistryFrom3D(observed)
    else:
        return StereoReport(expected)
    forget_exchanging_centres(observed)
    observed.RemoveAllConformers()
    return _compare(expected, observed, coordinates, skip, names)


def _compare(
    expected: Chem.Mol, observed: Chem.Mol, coordinates: FloatArray, skip: frozenset[int], names: StrArray | None
) -> StereoReport:
    wrong, undecided, new = [], [], []
    result = Chem.RWMol(observed)
    before = {(item.type, item.centeredOn): item for item in Chem.FindPotentialStereo(Chem.Mol(expected))}
    after = {(item.type, item.centeredOn): item for item in Chem.FindPotentialStereo(Chem.Mol(observed))}
    for key, old in before.items():
        is_bond = old.type == Chem.StereoType.Bond_Double
        atoms = _centre_atoms(expected, old.centeredOn, is_bond)
        label = "=".join(str(names[k]) if names is not None else f"{k + 1}" for k in atoms)
        was_set = old.specified == Chem.StereoSpecified.Specified
        now = after.get(key)
        is_set = now is not None and now.specified == Chem.StereoSpecified.Specified
        clear = not skip & set(atoms) and is_set and _is_clear(expected, old.centeredOn, is_bond, coordinates)
        if not clear:
            _restore(result, expected, old.centeredOn, is_bond)
            if not skip & set(atoms) and (was_set or is_set):
                undecided.append(label)
        elif not was_set:
            new.append(label)
        elif now is not None and now.descriptor != old.descriptor:
            wrong.append(label)
    molecule = result.GetMol()
    Chem.AssignStereochemistry(molecule, cleanIt=True, force=True)
    return StereoReport(molecule, tuple(wrong), tuple(undecided), tuple(new))


def _centre_atoms(molecule: Chem.Mol, index: int, is_bond: bool) -> tuple[int, ...]:
    if not is_bond:
        return (index,)
    bond = molecule.GetBondWithIdx(index)
    return bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()


def _restore(target: Chem.RWMol, source: Chem.Mol, index: int, is_bond: bool) -> None:
    if not is_bond:
        target.GetAtomWithIdx(index).SetChiralTag(source.GetAtomWithIdx(index).GetChiralTag())
        return
    old, new = source.GetBondWithIdx(index), target.GetBondWithIdx(index)
    new.SetStereo(Chem.BondStereo.STEREONONE)
    if old.GetStereo() not in (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY):
        new.SetStereoAtoms(*old.GetStereoAtoms())
        new.SetStereo(old.GetStereo())


def _is_clear(molecule: Chem.Mol, index: int, is_bond: bool, xyz: FloatArray) -> bool:
    if is_bond:
        bond = molecule.GetBondWithIdx(index)
        a, b = bond.GetBeginAtom(), bond.GetEndAtom()
        first = next(k.GetIdx() for k in a.GetNeighbors() if k.GetIdx() != b.GetIdx())
        last = next(k.GetIdx() for k in b.GetNeighbors() if k.GetIdx() != a.GetIdx())
        return abs(_cosine_of_torsion(xyz[[first, a.GetIdx(), b.GetIdx(), last]])) > TWISTED
    near = [atom.GetIdx() for atom in molecule.GetAtomWithIdx(index).GetNeighbors()][:3]
    if len(near) < 3:
        return False
    arms = xyz[near] - xyz[index]
    return bool(abs(np.linalg.det(arms / np.linalg.norm(arms, axis=1, keepdims=True))) > FLAT_CENTRE)


def _cosine_of_torsion(points: FloatArray) -> float:
    first, axis, last = points[1] - points[0], points[2] - points[1], points[3] - points[2]
    a, b = np.cross(first, axis), np.cross(axis, last)
    return float(a @ b / max(1e-9, float(np.linalg.norm(a) * np.linalg.norm(b))))


# --------------------------------------------------------------------------- explaining


def _difference(template: Chem.Mol, group: HetGroup) -> str:
    """Say which atoms of the group and of the template have no partner in the other."""
    crystal = crystal_skeleton(group)
    plain, _ = skeleton(template)
    count = f"{crystal.GetNumAtoms()} heavy atoms in the structure, {plain.GetNumAtoms()} in the template"
    with BlockLogs():
        common = rdFMCS.FindMCS([plain, crystal], timeout=_FMCS_SECONDS, atomCompare=rdFMCS.AtomCompare.CompareElements)
    query = Chem.MolFromSmarts(common.smartsString) if common.numAtoms else None
    if query is None:
        return f"nothing in common with the template ({count}); give the SMILES of this molecule"
    here, there = set(crystal.GetSubstructMatch(query)), set(plain.GetSubstructMatch(query))
    extra = [str(group.atom_names[k]) for k in range(crystal.GetNumAtoms()) if k not in here]
    lacking = [_label(template, k) for k in range(plain.GetNumAtoms()) if k not in there]
    parts = []
    if extra:
        parts.append(f"the structure has {_listed(extra)}, which the template lacks or connects otherwise")
    if lacking:
        parts.append(f"the template has {_listed(lacking)}, which the structure lacks or connects otherwise")
    if not parts:
        parts.append("the atoms are the same but their connections differ")
    return f"{'; '.join(parts)} ({count}); give the SMILES of the molecule as it is in the structure"


def _label(template: Chem.Mol, index: int) -> str:
    atom = template.GetAtomWithIdx(index)
    return str(atom.GetProp("name")) if atom.HasProp("name") else f"{atom.GetSymbol()}{index + 1}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
