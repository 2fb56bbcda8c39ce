"""Asn, Gln and His turned by 180 degrees where hydrogen bonds and clashes say so, and histidine tautomers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dockkit.core.geometry import lay_template, place_atom, rotate_about, superposition, unit_vector
from dockkit.core.hydrogens import HYDROXYLS
from dockkit.core.model import Change, ChangeKind, FloatArray, HetGroup, IntArray
from dockkit.core.residues import templates
from dockkit.structure.network import GHOST, Atoms, Network, Site
from dockkit.structure.partners import HISTIDINE_CHARGES, SIDE_CHARGES, radius_of, surroundings
from dockkit.structure.repair import WorkResidue

AMIDES: Final = {"ASN": ("CB", "CG", "OD1", "ND2"), "GLN": ("CG", "CD", "OE1", "NE2")}
"""Carbon before the amide, amide carbon, oxygen, nitrogen."""

RING: Final = ("ND1", "CD2", "CE1", "NE2")
TURNED: Final = {"ND1": "CD2", "CD2": "ND1", "CE1": "NE2", "NE2": "CE1"}
TAUTOMERS: Final = {"epsilon": frozenset({"HD1"}), "delta": frozenset({"HE2"}), "both": frozenset[str]()}
"""States of histidine and the hydrogens each lacks."""

MARGIN: Final = 1.0
"""A group is turned only where that lowers the energy by more, kcal/mol."""

DOUBLE_COST: Final = 8.0
"""Cost of a doubly protonated histidine where its pK_a is not yet known, kcal/mol."""

DELTA_COST: Final = 0.8
"""Cost of the delta tautomer: in water about one neutral histidine in five has it, kcal/mol."""

HYDROXYL_REACH: Final = 7.0
"""Hydroxyls this near a group that may turn answer to it, Angstrom."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way a residue can be: turned or not, the hydrogens it lacks, the heavy atoms that go with it."""

    turned: bool
    absent: frozenset[str]
    heavy: dict[str, FloatArray]


def turned_amide(residue: WorkResidue) -> dict[str, FloatArray]:
    """Return oxygen and nitrogen of an Asn or Gln side chain turned by 180 degrees, laid into each other's place."""
    before, carbon, oxygen, nitrogen = AMIDES[residue.name]
    return _laid(residue, (before, carbon, oxygen, nitrogen), {oxygen: nitrogen, nitrogen: oxygen})


def turned_ring(residue: WorkResidue) -> dict[str, FloatArray]:
    """Return the four ring atoms of a histidine turned by 180 degrees, laid into each other's place."""
    return _laid(residue, ("CB", "CG", *RING), TURNED)


def _laid(residue: WorkResidue, names: Sequence[str], place: Mapping[str, str]) -> dict[str, FloatArray]:
    own = np.array([residue.xyz[name] for name in names])
    target = np.array([residue.xyz[place.get(name, name)] for name in names])
    weights = np.ones(len(names))
    weights[:2] = (10.0, 5.0)
    rotation, shift = superposition(own, target, weights)
    return dict(zip(names[2:], (own @ rotation + shift)[2:], strict=True))


def _amide_atoms(residue: WorkResidue, heavy: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    before, carbon, oxygen, nitrogen = AMIDES[residue.name]
    frame = (residue.xyz[before], residue.xyz[carbon], heavy[nitrogen])
    first, second = ("HD21", "HD22") if residue.name == "ASN" else ("HE21", "HE22")
    return {
        oxygen: heavy[oxygen], nitrogen: heavy[nitrogen],
        first: place_atom(*frame, 1.01, 119.5, 180.0), second: place_atom(*frame, 1.01, 119.5, 0.0),
    }  # fmt: skip


def _ring_atoms(residue: WorkResidue, heavy: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    ring = {"CG": residue.xyz["CG"], **heavy}
    placed = dict(heavy)
    for hydrogen, parent, left, right, length in (
        ("HD1", "ND1", "CG", "CE1", 1.01), ("HD2", "CD2", "CG", "NE2", 1.08), ("HE1", "CE1", "ND1", "NE2", 1.08),
        ("HE2", "NE2", "CE1", "CD2", 1.01),
    ):  # fmt: skip
        here = ring[parent]
        away = unit_vector(unit_vector(here - ring[left]) + unit_vector(here - ring[right]))
        placed[hydrogen] = here + length * away
    return placed


def _amide_site(residue: WorkResidue) -> tuple[list[Option], Atoms]:
    own = {name: residue.xyz[name] for name in AMIDES[residue.name][2:]}
    options = [Option(False, frozenset(), own), Option(True, frozenset(), turned_amide(residue))]
    placed = [_amide_atoms(residue, option.heavy) for option in options]
    charges = np.array([[SIDE_CHARGES[residue.name][name] for name in atoms] for atoms in placed])
    radii = np.array(
        [
            [radius_of(name, charge) for name, charge in zip(atoms, row, strict=True)]
            for atoms, row in zip(placed, charges, strict=True)
        ]
    )
    return options, Atoms(np.array([list(atoms.values()) for atoms in placed]), charges, radii)


def _ring_site(residue: WorkResidue, states: Sequence[str], turn: bool) -> tuple[list[Option], Atoms]:
    own = {name: residue.xyz[name] for name in RING}
    options, xyz, charges, radii = [], [], [], []
    for turned in (False, True) if turn else (False,):
        heavy = turned_ring(residue) if turned else own
        atoms = _ring_atoms(residue, heavy)
        for state in states:
            table = HISTIDINE_CHARGES[state]
            options.append(Option(turned, TAUTOMERS[state], heavy))
            xyz.append(list(atoms.values()))
            charges.append([table.get(name, 0.0) for name in atoms])
            radii.append([radius_of(n, table[n]) if n in table else GHOST for n in atoms])
    return options, Atoms(np.array(xyz), np.array(charges), np.array(radii))


def _hydroxyl_site(residue: WorkResidue) -> Atoms:
    """Return the places of a hydroxyl hydrogen: every 30 degrees, or the two in the plane of a tyrosine."""
    second, parent, hydrogen = HYDROXYLS[residue.name]
    template = templates()[residue.name]
    anchors = [parent, *(n for n in template.neighbours(parent) if n in residue.xyz)]
    anchors += [n for n in template.neighbours(second) if n in residue.xyz and n not in anchors]
    start = lay_template(template, residue.xyz, anchors)[template.index(hydrogen)]
    scan = np.arange(0.0, 360.0, 180.0 if residue.name == "TYR" else 30.0)
    axis = residue.xyz[parent] - residue.xyz[second]
    xyz = rotate_about(np.repeat(start[None, None], len(scan), axis=0), residue.xyz[parent], axis, scan)
    shape = (len(scan), 1)
    return Atoms(xyz, np.full(shape, SIDE_CHARGES[residue.name][hydrogen]), np.full(shape, 1.0))


@dataclass(slots=True)
class Puzzle:
    """Everything that may move, and how it interacts.

    Parameters
    ----------
    network : Network
    residues : list of int
        Residue of each site.
    options : dict of int to list of Option
        By site; hydroxyls have none.
    """

    network: Network
    residues: list[int]
    options: dict[int, list[Option]]


def complete(residue: WorkResidue) -> bool:
    """Tell whether a residue has all its heavy atoms."""
    return residue.name in templates() and all(str(name) in residue.xyz for name in templates()[residue.name].heavy)


def make_puzzle(
    residues: Sequence[WorkResidue], groups: Sequence[HetGroup], waters: Sequence[HetGroup], *,
    turn: bool, states: Mapping[int, Sequence[str]] | None = None, fixed: frozenset[int] = frozenset(),
) -> Puzzle:  # fmt: skip
    """Set up the network of amides, histidines and the hydroxyls near them.

    Parameters
    ----------
    residues : sequence of WorkResidue
    groups, waters : sequence of HetGroup
        Partners that do not move.
    turn : bool
        Whether amides and rings may turn.
    states : mapping of int to sequence of str, optional
        States (keys of ``TAUTOMERS``) that a histidine may have; all three where not given.
    fixed : frozenset of int
        Residues that must not turn.

    Returns
    -------
    Puzzle
    """
    options: list[list[Option]] = []
    atoms: list[Atoms] = []
    owners: list[int] = []
    for index, residue in enumerate(residues):
        if residue.name not in ("ASN", "GLN", "HIS") or not complete(residue):
            continue
        may_turn = turn and index not in fixed
        if residue.name == "HIS":
            found, places = _ring_site(residue, (states or {}).get(index, tuple(TAUTOMERS)), may_turn)
        else:
            found, places = _amide_site(residue)
            if not may_turn:
                found, places = found[:1], Atoms(places.xyz[:1], places.charges[:1], places.radii[:1])
        options.append(found)
        atoms.append(places)
        owners.append(index)
    n_groups = len(owners)
    if n_groups:
        centres = np.concatenate([places.xyz.reshape(-1, 3) for places in atoms])
        for index, residue in enumerate(residues):
            if residue.name not in ("SER", "THR", "TYR") or not complete(residue):
                continue
            oxygen = residue.xyz[HYDROXYLS[residue.name][1]]
            if float(((centres - oxygen) ** 2).sum(axis=1).min()) < HYDROXYL_REACH**2:
                atoms.append(_hydroxyl_site(residue))
                owners.append(index)
    moving = {index: _moving_names(residues[index]) for index in owners}
    environment = surroundings(residues, moving, groups, waters)
    sites = [Site(places, environment.energy(places, index)) for places, index in zip(atoms, owners, strict=True)]
    for site, index, found in zip(sites, owners, options, strict=False):
        if residues[index].name == "HIS":
            site.cost = site.cost + _own_cost(found)
    return Puzzle(Network(sites), owners, dict(enumerate(options)))


def _moving_names(residue: WorkResidue) -> frozenset[str]:
    if residue.name in ("SER", "THR", "TYR"):
        return frozenset(HYDROXYLS[residue.name][2:])
    if residue.name == "HIS":
        return frozenset({*RING, *("H" + name[1:] for name in RING)})
    return frozenset({*AMIDES[residue.name][2:], "HD21", "HD22", "HE21", "HE22"})


def _own_cost(options: Sequence[Option]) -> FloatArray:
    """Return what histidine's states cost by themselves, kcal/mol."""
    cost = {TAUTOMERS["epsilon"]: 0.0, TAUTOMERS["delta"]: DELTA_COST, TAUTOMERS["both"]: DOUBLE_COST}
    return np.array([cost[option.absent] for option in options])


def turn_energies(puzzle: Puzzle) -> dict[int, float]:
    """Return what turning each amide or ring costs, all others at their best in both cases.

    Parameters
    ----------
    puzzle : Puzzle

    Returns
    -------
    dict of int to float
        Residue index to kcal/mol; negative where the turned position is better.
    """
    result: dict[int, float] = {}
    for members in puzzle.network.components():
        for site in members:
            options = puzzle.options.get(site, [])
            if not any(option.turned for option in options):
                continue
            turned = np.array([option.turned for option in options])
            ends = [
                puzzle.network.solve(members, {site: np.flatnonzero(turned == wanted)})[0] for wanted in (True, False)
            ]
            result[puzzle.residues[site]] = ends[0] - ends[1]
    return result


def optimise_amides_and_histidines(
    residues: Sequence[WorkResidue],
    groups: Sequence[HetGroup] = (),
    waters: Sequence[HetGroup] = (),
    *,
    margin: float = MARGIN,
    fixed: frozenset[int] = frozenset(),
) -> list[Change]:
    """Turn Asn, Gln and His side chains that are the wrong way round in the crystal.

    X-rays hardly tell N from O and C at usual resolution; hydrogen bonds and clashes do. Each group may turn, each
    histidine have any state, each hydroxyl nearby point anywhere; the lowest energy of all together decides, exactly
    for each cluster of interacting groups. The deposited position is kept unless turning gains more than ``margin``.

    Parameters
    ----------
    residues : sequence of WorkResidue
        All heavy atoms; changed in place where a group is turned.
    groups, waters : sequence of HetGroup
        What the crystal has around the chain: ligands, ions, buffer, waters.
    margin : float
        kcal/mol.
    fixed : frozenset of int
        Residues to leave alone, such as those whose side chain was built here.

    Returns
    -------
    list of Change
        One per turned residue, with what it gains.
    """
    puzzle = make_puzzle(residues, groups, waters, turn=True, fixed=fixed)
    for number, options in puzzle.options.items():
        site_cost = puzzle.network.sites[number].cost
        puzzle.network.sites[number].cost = site_cost + margin * np.array([option.turned for option in options])
    changes: list[tuple[int, Change]] = []
    for members in puzzle.network.components():
        _, chosen = puzzle.network.solve(members)
        for site in members:
            if site not in puzzle.options or not puzzle.options[site][chosen[site]].turned:
                continue
            gain = _gain(puzzle, members, chosen, site) + margin
            residue = residues[puzzle.residues[site]]
            what = f"side-chain {'ring' if residue.name == 'HIS' else 'amide'} turned by 180 degrees"
            why = f"hydrogen bonds and contacts gain {gain:.1f} kcal/mol"
            changes.append((puzzle.residues[site], change_of(residue, "flip", what, why)))
            residue.xyz.update(puzzle.options[site][chosen[site]].heavy)
    return [change for _, change in sorted(changes, key=lambda item: item[0])]


def _gain(puzzle: Puzzle, members: Sequence[int], chosen: Mapping[int, int], turned: int) -> float:
    """Return what undoing one turn would cost, the other groups turned as chosen but else free, kcal/mol."""

    def same(site: int) -> IntArray:
        options = puzzle.options[site]
        return np.array([k for k, o in enumerate(options) if o.turned == options[chosen[site]].turned])

    held = {site: same(site) for site in members if site in puzzle.options}
    undone = np.setdiff1d(np.arange(len(puzzle.options[turned])), held[turned])
    return puzzle.network.solve(members, held | {turned: undone})[0] - puzzle.network.solve(members, held)[0]


def choose_tautomers(
    residues: Sequence[WorkResidue],
    states: Mapping[int, Sequence[str]],
    groups: Sequence[HetGroup] = (),
    waters: Sequence[HetGroup] = (),
) -> dict[int, tuple[str, float]]:
    """Return the state of each histidine in ``states`` that fits its hydrogen bonds best, all of them together.

    Parameters
    ----------
    residues : sequence of WorkResidue
    states : mapping of int to sequence of str
        States that each may have: keys of ``TAUTOMERS``.
    groups, waters : sequence of HetGroup

    Returns
    -------
    dict of int to (str, float)
        State, and what the next best would cost more, kcal/mol (infinite where there is no other).
    """
    puzzle = make_puzzle(residues, groups, waters, turn=False, states=states)
    names = {absent: name for name, absent in TAUTOMERS.items()}
    result: dict[int, tuple[str, float]] = {}
    for members in puzzle.network.components():
        energy, chosen = puzzle.network.solve(members)
        for site in members:
            index = puzzle.residues[site]
            options = puzzle.options.get(site, [])
            if residues[index].name != "HIS" or not options:
                continue
            others = np.array([row for row in range(len(options)) if row != chosen[site]], dtype=np.int64)
            gap = puzzle.network.solve(members, {site: others})[0] - energy if len(others) else float("inf")
            result[index] = names[options[chosen[site]].absent], gap
    return result


def change_of(residue: WorkResidue, kind: ChangeKind, what: str, why: str) -> Change:
    """Return a Change of one residue."""
    return Change(kind, what, why, residue.name, residue.chain, residue.number, residue.icode, residue.uniprot)
