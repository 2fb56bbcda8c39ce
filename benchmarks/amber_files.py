"""Amber topologies of a complex, its receptor and its ligand from an OpenMM system, for `mmgbsa_reference.py`.

Runs in the Python of AmberTools (with parmed and openmm), which need not hold dockkit: reads ``system.xml`` (bonded and
non-bonded terms without solvent) and ``atoms.json`` (names, elements, residues, Born radii, screening factors,
coordinates, number of receptor atoms) of a folder, and writes ``complex``, ``receptor`` and ``ligand`` there as
``.prmtop`` and ``.inpcrd``.

    python benchmarks/amber_files.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import openmm
import parmed
from openmm import app, unit


def topology_of(atoms: dict, system: openmm.System) -> app.Topology:
    """Return the OpenMM topology: residues, atoms and the system's bonds."""
    topology, made = app.Topology(), []
    chain = topology.addChain("A")
    residues = [topology.addResidue(name, chain) for name in atoms["residue_names"]]
    for name, element, residue in zip(atoms["names"], atoms["elements"], atoms["residue"], strict=True):
        made.append(topology.addAtom(name, app.Element.getBySymbol(element), residues[residue]))
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            for k in range(force.getNumBonds()):
                i, j, *_ = force.getBondParameters(k)
                topology.addBond(made[i], made[j])
    return topology


def write(folder: Path) -> None:
    """Write the three topologies with their coordinates."""
    atoms = json.loads((folder / "atoms.json").read_text(encoding="utf-8"))
    system = openmm.XmlSerializer.deserialize((folder / "system.xml").read_text(encoding="utf-8"))
    xyz = np.array(atoms["coordinates"])
    structure = parmed.openmm.load_topology(topology_of(atoms, system), system, xyz * unit.angstrom)
    for atom, radius, screen in zip(structure.atoms, atoms["radii"], atoms["screens"], strict=True):
        atom.solvent_radius, atom.screen = radius, screen
    n = atoms["n_receptor"]
    parts = {
        "complex": structure,
        "receptor": structure[:n],
        "ligand": structure[n:],
    }
    for name, part in parts.items():
        amber = parmed.amber.AmberParm.from_structure(part)
        amber.save(str(folder / f"{name}.prmtop"), overwrite=True)
        amber.save(str(folder / f"{name}.inpcrd"), overwrite=True, format="rst7")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
