"""Parameters of a receptor: Amber ff14SB, phosphorylated residues, TIP3P water and ions, as flat arrays.

Protein: ff14SB (Maier et al., J. Chem. Theory Comput. 2015, 11, 3696). Phosphorylated Ser, Thr, Tyr: phosaa14SB
(Raguette et al., J. Chem. Theory Comput. 2024, 20, 7199), from the data files of openmmforcefields. Water: TIP3P
(Jorgensen et al., J. Chem. Phys. 1983, 79, 926). Ions: 12-6 Lennard-Jones made for TIP3P (Joung & Cheatham, J. Phys.
Chem. B 2008, 112, 9020; Li, Roberts, Chakravorty & Merz, J. Chem. Theory Comput. 2013, 9, 2733).
"""

from __future__ import annotations

import functools
import importlib.util
import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import openmm
from openmm import app

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import FloatArray, IntArray, LigandParameters, Receptor
from dockkit.core.residues import PHOSPHORYLATED, WATER, is_polymer, residue_templates
from dockkit.core.units import ANGSTROM_PER_NM, KCAL_PER_KJ

PROTEIN_FORCE_FIELD = "amber14/protein.ff14SB.xml"
WATER_FORCE_FIELD = "amber14/tip3p.xml"
PHOSPHO_FORCE_FIELD = "phosaa14SB.xml"

_PHOSPHO_FOLDER = ("ffxml", "amber")
_TYPE_PREFIX = "protein-"
"""What OpenMM's amber14 file puts before Amber's atom type names (its classes carry none)."""

_PHOSPHORUS = {"mass": "30.97", "sigma": "0.37417746161894255", "epsilon": "0.8368"}
"""Amber's P (R* 2.1 A, 0.2 kcal/mol; Cornell et al., J. Am. Chem. Soc. 1995, 117, 5179), which ff14SB's protein file
leaves out; nm and kJ/mol."""

_MBONDI2 = {"H": 1.2, "C": 1.7, "N": 1.55, "O": 1.5, "F": 1.5, "Si": 2.1, "P": 1.85, "S": 1.8, "Cl": 1.7, "Br": 1.85}
_MBONDI2_DEFAULT = 1.5
_MBONDI2_H_ON_N = 1.3
_ION_RADII = {"Mg": 1.18, "Mn": 1.65, "Zn": 1.49, "Ca": 1.91, "Na": 1.97, "K": 2.41}
"""Angstrom. Mg as in Amber; the others give their ion the hydration free energy of Marcus, J. Chem. Soc. Faraday Trans.
1991, 87, 2995, by Born's formula."""

_CHLORIDE_RADIUS = 2.11
_HCT_SCALE = {"H": 0.85, "C": 0.72, "N": 0.79, "O": 0.85, "F": 0.88, "P": 0.86, "S": 0.96}
_HCT_SCALE_DEFAULT = 0.8


@functools.cache
def _force_field(files: tuple[str, ...]) -> app.ForceField:
    """Return the force field of these files."""
    return app.ForceField(*(io.StringIO(_phospho_text()) if file == PHOSPHO_FORCE_FIELD else file for file in files))


def _files(receptor: Receptor) -> tuple[str, ...]:
    """Return the files that a receptor's residues need; the protein's own comes first."""
    names = receptor.residue_names
    water = (WATER_FORCE_FIELD,) if not is_polymer(names).all() else ()
    phospho = (PHOSPHO_FORCE_FIELD,) if np.isin(names, sorted(PHOSPHORYLATED)).any() else ()
    return (PROTEIN_FORCE_FIELD, *water, *phospho)


def _phospho_text() -> str:
    """Return phosaa14SB with atom types named as in OpenMM's amber14 protein file, and with phosphorus.

    The file was converted to stand on a whole ff14SB whose type names have no prefix. Its terms go by class, which both
    files write alike, so that only the types of its residues' atoms have to be renamed.
    """
    spec = importlib.util.find_spec("openmmforcefields")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    paths = [Path(folder).joinpath(*_PHOSPHO_FOLDER, PHOSPHO_FORCE_FIELD) for folder in folders]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        raise ForceFieldError(
            "parameters of phosphorylated residues (phosaa14SB) are missing: install the package openmmforcefields, "
            "or revert phosphorylated residues to Ser, Thr and Tyr during preparation"
        )
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ForceFieldError(f"{path}: cannot be read ({error}); install openmmforcefields again") from error
    own = {str(item.get("name")) for item in root.iterfind("AtomTypes/Type")} | {"P"}
    for atom in root.iterfind("Residues/Residue/Atom"):
        if atom.get("type") not in own:
            atom.set("type", f"{_TYPE_PREFIX}{atom.get('type')}")
    types, nonbonded = root.find("AtomTypes"), root.find("NonbondedForce")
    if types is None or nonbonded is None:
        raise ForceFieldError(f"{path}: not an OpenMM force field; install openmmforcefields again")
    ElementTree.SubElement(types, "Type", {"element": "P", "name": "P", "class": "P", "mass": _PHOSPHORUS["mass"]})
    ElementTree.SubElement(
        nonbonded, "Atom", {"class": "P", "sigma": _PHOSPHORUS["sigma"], "epsilon": _PHOSPHORUS["epsilon"]}
    )
    return ElementTree.tostring(root, encoding="unicode")


def receptor_topology(receptor: Receptor) -> app.Topology:
    """Return the OpenMM topology of a receptor.

    Parameters
    ----------
    receptor : Receptor
        Every hydrogen present, breaks capped.

    Returns
    -------
    openmm.app.Topology
        One OpenMM chain per peptide segment, water and ion; bonds of amino acids, caps, phosphorylated residues and
        water, and disulfides; atoms in the record's order.
    """
    topology = app.Topology()
    chain = None
    previous: tuple[str, int] | None = None
    polymer = is_polymer(receptor.residue_names)
    start = np.searchsorted(receptor.atom_residue, np.arange(receptor.n_residues + 1))
    atoms: list[app.topology.Atom] = []
    for index in range(receptor.n_residues):
        here = (str(receptor.chain_ids[index]), int(receptor.segments[index]))
        if here != previous or not polymer[index] or not polymer[index - 1]:
            chain = topology.addChain(here[0])
            previous = here
        residue = topology.addResidue(
            str(receptor.residue_names[index]),
            chain,
            str(receptor.author_numbers[index]),
            str(receptor.insertion_codes[index]),
        )
        for atom in range(start[index], start[index + 1]):
            element = app.Element.getBySymbol(str(receptor.elements[atom]))
            atoms.append(topology.addAtom(str(receptor.atom_names[atom]), element, residue))
    topology.createStandardBonds()
    _add_other_bonds(topology)
    names = receptor.atom_names
    for first, second in receptor.disulfides:
        pair = [next(atoms[i] for i in range(start[r], start[r + 1]) if names[i] == "SG") for r in (first, second)]
        topology.addBond(*pair)
    return topology


def _add_other_bonds(topology: app.Topology) -> None:
    """Add what OpenMM's table of standard bonds lacks: those of phosphorylated residues, and any of water's."""
    there = {frozenset(bond) for bond in topology.bonds()}
    for chain in topology.chains():
        before: dict[str, app.topology.Atom] = {}
        for residue in chain.residues():
            atoms = {atom.name: atom for atom in residue.atoms()}
            pairs = []
            if residue.name in PHOSPHORYLATED or residue.name == WATER:
                bonds = residue_templates()[residue.name].bonds
                pairs = [(atoms[a], atoms[b]) for a, b in bonds if a in atoms and b in atoms]
            if "C" in before and "N" in atoms:
                pairs.append((before["C"], atoms["N"]))
            for first, second in pairs:
                if frozenset((first, second)) not in there:
                    there.add(frozenset((first, second)))
                    topology.addBond(first, second)
            before = atoms


def _parameters_of(system: openmm.System, name: str, method: str) -> LigandParameters:
    nm, kcal = ANGSTROM_PER_NM, KCAL_PER_KJ
    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(system))
    forces = {str(force.get("type")): force for force in root.iterfind("Forces/Force")}
    known = {"HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce", "NonbondedForce"}
    if set(forces) - known:
        raise ForceFieldError(f"{name}: unexpected force {sorted(set(forces) - known)} in {method}")

    def table(node: ElementTree.Element, path: str, columns: str) -> FloatArray:
        keys = columns.split()
        rows = [[float(str(item.get(key))) for key in keys] for item in node.iterfind(path)]
        return np.array(rows, dtype=np.float64).reshape(-1, len(keys))

    bonds = table(forces["HarmonicBondForce"], "Bonds/Bond", "p1 p2 d k")
    angles = table(forces["HarmonicAngleForce"], "Angles/Angle", "p1 p2 p3 a k")
    torsions = table(forces["PeriodicTorsionForce"], "Torsions/Torsion", "p1 p2 p3 p4 periodicity phase k")
    particles = table(forces["NonbondedForce"], "Particles/Particle", "q sig eps")
    exceptions = table(forces["NonbondedForce"], "Exceptions/Exception", "p1 p2 q sig eps")
    return LigandParameters(
        name=name,
        smiles="",
        method=method,
        masses=table(root, "Particles/Particle", "mass")[:, 0],
        charges=particles[:, 0],
        sigma=particles[:, 1] * nm,
        epsilon=particles[:, 2] * kcal,
        bond_atoms=bonds[:, :2].astype(np.int64),
        bond_parameters=bonds[:, 2:] * [nm, kcal / nm**2],
        angle_atoms=angles[:, :3].astype(np.int64),
        angle_parameters=angles[:, 3:] * [1.0, kcal],
        torsion_atoms=torsions[:, :4].astype(np.int64),
        torsion_parameters=torsions[:, 4:] * [1.0, 1.0, kcal],
        exception_atoms=exceptions[:, :2].astype(np.int64),
        exception_parameters=exceptions[:, 2:] * [1.0, nm, kcal],
    )


def receptor_parameters(receptor: Receptor) -> LigandParameters:
    """Return the Amber parameters of a receptor as flat arrays.

    Parameters
    ----------
    receptor : Receptor
        Prepared receptor.

    Returns
    -------
    LigandParameters
        In the receptor's atom order.

    Raises
    ------
    ForceFieldError
        A residue matches no template (the message names it), or phosaa14SB is not installed.
    """
    return _of_content(_Named(receptor))


class _Named:
    """A receptor that equals another with the same atoms and bonds, wherever they stand."""

    def __init__(self, receptor: Receptor) -> None:
        self.receptor = receptor
        names = ("residue_names", "atom_names", "elements", "atom_residue", "segments", "chain_ids", "disulfides")
        self._key = (receptor.name, *(getattr(receptor, name).tobytes() for name in names))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self._key == other._key


@functools.lru_cache(maxsize=4)
def _of_content(named: _Named) -> LigandParameters:
    receptor = named.receptor
    return _parametrised(receptor_topology(receptor), receptor.name, _files(receptor))


def fragment_parameters(topology: app.Topology, receptor: Receptor, residues: slice) -> LigandParameters:
    """Return the Amber parameters of a piece of a receptor.

    Parameters
    ----------
    topology : openmm.app.Topology
        Atoms of the piece, capped where it was cut; bonds are added here.
    receptor : Receptor
        Of which it is a piece.
    residues : slice
        Those of the receptor that the piece holds.

    Returns
    -------
    LigandParameters
        In the topology's atom order.

    Raises
    ------
    ForceFieldError
        As in :func:`receptor_parameters`.
    """
    topology.createStandardBonds()
    _add_other_bonds(topology)
    phospho = (PHOSPHO_FORCE_FIELD,) if np.isin(receptor.residue_names[residues], sorted(PHOSPHORYLATED)).any() else ()
    return _parametrised(topology, receptor.name, (PROTEIN_FORCE_FIELD, *phospho))


def _parametrised(topology: app.Topology, name: str, files: tuple[str, ...]) -> LigandParameters:
    try:
        system = _force_field(files).createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
        )
    except ValueError as error:
        raise ForceFieldError(f"{name}: {error}") from error
    return _parameters_of(system, name, ", ".join(files))


def born_parameters(elements: Iterable[str], bond_atoms: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return modified Bondi radii (mbondi2) and HCT screening factors.

    Parameters
    ----------
    elements : iterable of str
        Element symbols, n atoms.
    bond_atoms : (n_bonds, 2) int
        A hydrogen bonded to nitrogen gets 1.3 A.

    Returns
    -------
    radii : (n,) float
        Angstrom. Onufriev, Bashford, Case, Proteins 2004, 55, 383; of ions, see above.
    scales : (n,) float
        Hawkins, Cramer, Truhlar, J. Phys. Chem. 1996, 100, 19824.
    """
    symbols = [str(element) for element in elements]
    radii = np.array([_MBONDI2.get(symbol, _MBONDI2_DEFAULT) for symbol in symbols])
    scales = np.array([_HCT_SCALE.get(symbol, _HCT_SCALE_DEFAULT) for symbol in symbols])
    for i, j in bond_atoms:
        for atom, other in ((i, j), (j, i)):
            if symbols[atom] == "H" and symbols[other] == "N":
                radii[atom] = _MBONDI2_H_ON_N
    bonded = set(np.asarray(bond_atoms).ravel().tolist())
    for atom, symbol in enumerate(symbols):
        if symbol in _ION_RADII:
            radii[atom] = _ION_RADII[symbol]
        elif symbol == "Cl" and atom not in bonded:
            radii[atom] = _CHLORIDE_RADIUS
    return radii, scales
