"""What stands around the chosen chain: hetero groups, waters, stated bonds, other chains, the biological unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import gemmi
import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.model import Change, FloatArray, HetGroup, Link, StrArray, frozen_array
from dockkit.core.residues import parent_name
from dockkit.structure.chains import CAP_NAMES, ResidueAtoms, choose_letters, is_protein, pick_atoms

WATERS: Final = frozenset({"HOH", "WAT", "DOD", "H2O", "SOL", "TIP3", "TIP", "TP3", "T3P", "SPC"})

NEIGHBOUR_REACH: Final = 12.0
"""Atoms of other chains are remembered this far from the chosen chain, Angstrom."""

_ORGANIC: Final = frozenset({"C", "N", "O", "S", "P", "F", "Cl", "Br", "I", "B", "Si", "Se", "H", "D"})
_LINK_KINDS: Final[dict[gemmi.ConnectionType, Literal["covalent", "metal", "disulfide", "unknown"]]] = {
    gemmi.ConnectionType.Covale: "covalent",
    gemmi.ConnectionType.MetalC: "metal",
    gemmi.ConnectionType.Disulf: "disulfide",
}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Heavy atoms of another protein or nucleic-acid chain near the chosen one.

    Parameters
    ----------
    chain : str
        Author chain; ``A (operator 2 of unit 1)`` for a copy that only the biological unit has.
    residues : (n,) str
        Residue label of each atom, such as ``PHE 18``.
    coordinates : (n, 3) float
        Angstrom.
    """

    chain: str
    residues: StrArray
    coordinates: FloatArray


@dataclass(frozen=True, slots=True)
class Partner:
    """A chain that touches a group: it was left out of the receptor, though it shapes the site.

    Parameters
    ----------
    chain : str
        As in Neighbour.
    residues : tuple of str
        Its residues within reach, in the order of the chain.
    distance : float
        Shortest distance, Angstrom.
    """

    chain: str
    residues: tuple[str, ...]
    distance: float


# --------------------------------------------------------------------------- groups and waters


def _guessed(name: str, group: str) -> str:
    letters = name.lstrip("0123456789")
    if letters.upper() == group.upper() or letters[:2].upper() in ("CL", "BR"):
        return str(gemmi.Element(letters[:2].capitalize()).name)
    return letters[:1].upper()


def _with_elements(residue: gemmi.Residue, lacking: bool) -> list[str]:
    """Give atoms an element where the file has none; return which."""
    guessed = []
    for atom in residue:
        doubtful = lacking and len(residue) > 1 and atom.element.name not in _ORGANIC
        if atom.element.name == "X" or doubtful:
            atom.element = gemmi.Element(_guessed(atom.name, residue.name))
            guessed.append(f"{atom.name} {atom.element.name}")
    return guessed


def read_groups(
    chains: dict[str, list[gemmi.Residue]], chosen: str, members: list[ResidueAtoms], xyz: FloatArray, lacking: bool
) -> tuple[tuple[HetGroup, ...], tuple[HetGroup, ...], list[Change]]:
    """Return hetero groups and waters of every chain, nearest first, and what was noticed.

    Parameters
    ----------
    chains : dict of str to list of gemmi.Residue
    chosen : str
        The chosen chain.
    members : list of ResidueAtoms
        Its residues, which are no groups.
    xyz : (n, 3) float
        Their atoms, Angstrom.
    lacking : bool
        The file has no element column.
    """
    inside = {(r.number, r.icode) for r in members}
    tree = cKDTree(xyz)
    groups: list[HetGroup] = []
    waters: list[HetGroup] = []
    changes: list[Change] = []
    for chain, residues in chains.items():
        for residue in residues:
            key = (int(residue.seqid.num or 0), residue.seqid.icode.strip())
            if is_protein(residue) if chain != chosen else key in inside and is_protein(residue):
                continue
            own = chain == chosen
            if residue.name in CAP_NAMES or (parent_name(residue.name) and not is_protein(residue)):
                if own:
                    cap = residue.name in CAP_NAMES
                    why = "preparation builds its own caps" if cap else "it has no CA atom"
                    changes.append(Change("removed", "left out", why, residue.name, chain, *key))
                continue
            group, made = _group(residue, chain, tree, lacking)
            if group is not None:
                (waters if residue.name in WATERS else groups).append(group)
            changes += made
    return _nearest_first(groups), _nearest_first(waters), changes


def _nearest_first(groups: list[HetGroup]) -> tuple[HetGroup, ...]:
    return tuple(sorted(groups, key=lambda g: (g.distance, g.chain, g.number, g.insertion_code)))


def _group(
    residue: gemmi.Residue, chain: str, tree: cKDTree, lacking: bool
) -> tuple[HetGroup | None, list[Change]]:  # fmt: skip
    guessed = _with_elements(residue, lacking)
    [letter] = choose_letters([[residue]])
    picked, changes = pick_atoms(residue, letter, chain)
    if not picked.names:
        return None, []
    points = np.array(picked.xyz, dtype=np.float64)
    if not np.isfinite(points).all():
        return None, [picked.changed(chain, "removed", "left out", "its coordinates are not finite numbers")]
    if guessed:
        what = f"elements read from the atom names: {', '.join(guessed)}"
        changes.append(picked.changed(chain, "atoms", what, "the file gives none"))
    letters = sorted({atom.altloc for atom in residue} - {"\0"})
    if len(letters) > 1:
        mean = {a: float(np.mean([atom.occ for atom in residue if atom.altloc == a])) for a in letters}
        rest = ", ".join(f"{a} {mean[a]:.2f}" for a in letters if a != letter)
        why = f"occupancy {mean[letter]:.2f} against {rest}"
        changes.append(picked.changed(chain, "altloc", f"alternate location {letter} kept", why))
    if residue.name in WATERS:
        changes = []
    gap = float(tree.query(points)[0].min())
    name = residue.name
    return HetGroup(
        name, chain, picked.number, picked.icode, frozen_array(picked.names, str, (None,), name),
        frozen_array(picked.elements, str, (None,), name), frozen_array(points, np.float64, (None, 3), name),
        round(gap, 3), round(float(np.mean(picked.occupancy)), 3), round(float(np.mean(picked.b_factor)), 2),
    ), changes  # fmt: skip


# --------------------------------------------------------------------------- stated bonds


def read_links(structure: gemmi.Structure, chain: str) -> tuple[Link, ...]:
    """Return the bonds between residues that the file states and that touch the chain; hydrogen bonds left out."""
    links = []
    for connection in structure.connections:
        if connection.type == gemmi.ConnectionType.Hydrog:
            continue
        ends = [connection.partner1, connection.partner2]
        if ends[0].chain_name != chain:
            ends.reverse()
        if ends[0].chain_name != chain:
            continue
        values: list[str | int] = []
        for end in ends:
            residue = end.res_id
            number, icode = int(residue.seqid.num or 0), residue.seqid.icode.strip()
            values += [residue.name, end.chain_name, number, icode, end.atom_name]
        links.append(Link(_LINK_KINDS.get(connection.type, "unknown"), *values))  # type: ignore[arg-type]
    return tuple(links)


# --------------------------------------------------------------------------- other chains


def read_unit(
    structure: gemmi.Structure, chains: dict[str, list[gemmi.Residue]], chosen: str, xyz: FloatArray
) -> tuple[tuple[str, ...], tuple[Neighbour, ...], list[Change]]:
    """Return the chains of the biological unit, the other chains near the chosen one, and a Change that states them.

    Parameters
    ----------
    structure : gemmi.Structure
        Its assemblies come from REMARK 350 or ``_pdbx_struct_assembly``.
    chains : dict of str to list of gemmi.Residue
    chosen : str
    xyz : (n, 3) float
        Atoms of the chosen chain, Angstrom.
    """
    polymers = {name: _polymer_atoms(residues) for name, residues in chains.items()}
    polymers = {name: value for name, value in polymers.items() if len(value[1])}
    tree = cKDTree(xyz)
    near = [_near(tree, name, *value) for name, value in polymers.items() if name != chosen]
    assembly = next((a for a in structure.assemblies if chosen in _assembly_chains(a, chains)), None)
    if assembly is None:
        return (), tuple(n for n in near if len(n.residues)), []
    unit: list[str] = []
    for generator in assembly.generators:
        for name in _generator_chains(generator, chains):
            if name not in polymers:
                continue
            for operator in generator.operators:
                identity = operator.transform.is_identity()
                label = name if identity else f"{name} (operator {operator.name} of unit {assembly.name})"
                unit.append(label)
                if not identity:
                    labels, points = polymers[name]
                    matrix, shift = np.array(operator.transform.mat.tolist()), operator.transform.vec.tolist()
                    near.append(_near(tree, label, labels, points @ matrix.T + np.array(shift)))
    rest = [label for label in unit if label != chosen]
    changes = []
    if rest:
        kind = (assembly.oligomeric_details or "").lower() or f"{len(unit)} chains"
        what = f"biological unit {assembly.name} ({kind}): chain {chosen} with {', '.join(rest)}"
        changes.append(Change("chain", what, f"only {chosen} is prepared"))
    return tuple(unit), tuple(n for n in near if len(n.residues)), changes


def _assembly_chains(assembly: gemmi.Assembly, chains: dict[str, list[gemmi.Residue]]) -> set[str]:
    return {name for generator in assembly.generators for name in _generator_chains(generator, chains)}


def _generator_chains(generator: gemmi.Assembly.Gen, chains: dict[str, list[gemmi.Residue]]) -> list[str]:
    wanted = set(generator.subchains)
    by_label = [name for name, rs in chains.items() if wanted and any(r.subchain in wanted and _polymer(r) for r in rs)]
    return by_label or [name for name in generator.chains if name in chains]


def _polymer(residue: gemmi.Residue) -> bool:
    return is_protein(residue) or bool(gemmi.find_tabulated_residue(residue.name).is_nucleic_acid())


def _polymer_atoms(residues: list[gemmi.Residue]) -> tuple[StrArray, FloatArray]:
    labels, points = [], []
    for residue in residues:
        if _polymer(residue):
            label = f"{residue.name} {residue.seqid}"
            for atom in residue:
                if atom.element.name not in ("H", "D"):
                    labels.append(label)
                    points.append(atom.pos.tolist())
    xyz = np.array(points, dtype=np.float64).reshape(-1, 3)
    finite = np.isfinite(xyz).all(axis=1)
    return np.array(labels, dtype=str)[finite], xyz[finite]


def _near(tree: cKDTree, name: str, labels: StrArray, xyz: FloatArray) -> Neighbour:
    inside = tree.query(xyz, distance_upper_bound=NEIGHBOUR_REACH)[0] <= NEIGHBOUR_REACH
    return Neighbour(name, frozen_array(labels[inside], str, (None,), name),
                     frozen_array(xyz[inside], np.float64, (None, 3), name))  # fmt: skip


def find_partners(neighbours: tuple[Neighbour, ...], xyz: FloatArray, within: float) -> tuple[Partner, ...]:
    """Return the neighbours with an atom within reach of the points (n, 3), nearest first."""
    tree = cKDTree(np.asarray(xyz, dtype=np.float64).reshape(-1, 3))
    found = []
    for neighbour in neighbours:
        distances = tree.query(neighbour.coordinates)[0]
        inside = distances <= within
        if inside.any():
            residues = tuple(dict.fromkeys(str(label) for label in neighbour.residues[inside]))
            found.append(Partner(neighbour.chain, residues, round(float(distances.min()), 3)))
    return tuple(sorted(found, key=lambda p: (p.distance, p.chain)))
