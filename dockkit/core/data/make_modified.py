"""Make ``modified.json``: ideal geometry and rotamers of the phosphorylated amino acids (dianions).

Each is its parent in Ala-X-Ala, as ``make_residues.py`` builds it, with the hydroxyl's hydrogen replaced by PO3(2-);
minimised with ff14SB and phosaa14SB (Raguette et al., J. Chem. Theory Comput. 2024, 20, 7199) from openmmforcefields,
charges divided by the square root of 80 so that the free dianion does not fold onto the main chain.

Rotamers: the parent's (Lovell et al. 2000) times a few angles about C-O, equally likely, by the rules of ester
chemistry, for want of a library: a primary ester is trans or 110 degrees from it, a secondary one has its C-H next to
the phosphorus (CA-CB-OG1-P 115), an aryl ester stands across the ring (90). About O-P the oxygens are staggered (60).
The force field's own minima are no help: its torsions were fitted to the dianion in vacuum.
Run beside ``residues.json`` and ``rotamers.json``: ``python make_modified.py``.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from make_residues import BACKBONE, CHI, minimised_tripeptide, moved_by  # type: ignore[import-not-found]
from openmm import NonbondedForce, Platform, VerletIntegrator, unit
from openmm.app import Element, ForceField, NoCutoff, Simulation, Topology

DIELECTRIC = 80.0
ESTER_ANGLES = {"PTR": (90, -90), "SEP": (180, 110, -110), "TPO": (115,)}
PHOSPHATE = ("P", "O1P", "O2P", "O3P")
PARENTS = {  # parent, its letter, the oxygen, its hydrogen, the atoms of the last two angles
    "PTR": ("TYR", "Y", "OH", "HH", ["CE1", "CZ", "OH", "P", "O1P"]),
    "SEP": ("SER", "S", "OG", "HG", ["CA", "CB", "OG", "P", "O1P"]),
    "TPO": ("THR", "T", "OG1", "HG1", ["CA", "CB", "OG1", "P", "O1P"]),
}
WIDTH = 20
"""Half width of the angles about C-O and O-P, degrees."""


def place(a: np.ndarray, b: np.ndarray, c: np.ndarray, length: float, angle: float, torsion: float) -> np.ndarray:
    """Return the point at a distance, angle and dihedral (degrees) from c, b, a."""
    bc = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, bc)
    normal /= np.linalg.norm(normal)
    theta, phi = np.radians(angle), np.radians(torsion)
    side = np.cross(normal, bc)
    local = -np.cos(theta) * bc + np.sin(theta) * (np.cos(phi) * side + np.sin(phi) * normal)
    return np.asarray(c + length * local)


def phosphorylated(name: str) -> tuple[Topology, np.ndarray]:
    """Return topology and coordinates (Angstrom) of Ala-X-Ala, the phosphate trans and staggered, not minimised."""
    parent, letter, oxygen, hydrogen, chain = PARENTS[name]
    source, xyz = minimised_tripeptide(letter, parent)
    topology, points, new = Topology(), [], {}
    chain_out = topology.addChain()
    for residue in source.residues():
        middle = residue.name == parent
        out = topology.addResidue(name if middle else residue.name, chain_out)
        for atom in residue.atoms():
            if not (middle and atom.name == hydrogen):
                new[atom] = topology.addAtom(atom.name, atom.element, out)
                points.append(xyz[atom.index])
        if middle:
            at = {a.name: xyz[a.index] for a in residue.atoms()}
            at["P"] = place(at[chain[0]], at[chain[1]], at[oxygen], 1.61, 120.5, 180.0 if parent != "TYR" else 60.0)
            for k, torsion in enumerate((60.0, 180.0, -60.0), start=1):
                at[f"O{k}P"] = place(at[chain[1]], at[oxygen], at["P"], 1.48, 108.2, torsion)
            atoms = [topology.addAtom(a, Element.getBySymbol(a[0]), out) for a in PHOSPHATE]
            points += [at[a] for a in PHOSPHATE]
            joined = next(new[a] for a in residue.atoms() if a.name == oxygen)
            for a, b in [(joined, atoms[0]), *((atoms[0], other) for other in atoms[1:])]:
                topology.addBond(a, b)
    for a, b in source.bonds():
        if a in new and b in new:
            topology.addBond(new[a], new[b])
    return topology, np.array(points)


def minimised(topology: Topology, xyz: np.ndarray) -> np.ndarray:
    """Return coordinates (n, 3) at the minimum with screened charges, Angstrom."""
    spec = importlib.util.find_spec("openmmforcefields")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "ffxml" / "amber"
    field = ForceField(str(folder / "ff14SB.xml"), str(folder / "phosaa14SB.xml"))
    system = field.createSystem(topology, nonbondedMethod=NoCutoff)
    force = next(f for f in system.getForces() if isinstance(f, NonbondedForce))
    for i in range(force.getNumParticles()):
        q, s, e = force.getParticleParameters(i)
        force.setParticleParameters(i, q / np.sqrt(DIELECTRIC), s, e)
    for i in range(force.getNumExceptions()):
        a, b, q, s, e = force.getExceptionParameters(i)
        force.setExceptionParameters(i, a, b, q / DIELECTRIC, s, e)
    simulation = Simulation(topology, system, VerletIntegrator(0.001), Platform.getPlatformByName("Reference"))
    simulation.context.setPositions(xyz / 10.0)
    simulation.minimizeEnergy(tolerance=0.1 * unit.kilojoules_per_mole / unit.nanometer)
    positions = simulation.context.getState(getPositions=True).getPositions(asNumpy=True)
    return np.array(positions.value_in_unit(unit.angstrom))


def rotamer_rows(name: str, parent_rows: list[Any]) -> list[Any]:
    """Return rows as in ``rotamers.json``: name, weight, chi angles, half widths."""
    angles = ESTER_ANGLES[name]
    return [
        [f"{label} {value}", round(count / len(angles), 1), [*chis, value, 60], [*widths, WIDTH, WIDTH]]
        for label, count, chis, widths in parent_rows
        for value in angles
    ]


def describe(name: str, parent_rows: list[Any]) -> dict[str, Any]:
    """Return one residue's record with its rotamers."""
    parent, letter, _, _, chain = PARENTS[name]
    topology, start = phosphorylated(name)
    xyz = minimised(topology, start)
    residue = list(topology.residues())[1]
    order = sorted(residue.atoms(), key=lambda a: (a.name not in BACKBONE, a.element.symbol == "H", a.index))
    origin = next(xyz[a.index] for a in order if a.name == "CA")
    bonds = [[a.name, b.name] for a, b in topology.bonds() if a.residue is residue and b.residue is residue]
    own = ["N", "CA", "CB", *CHI[parent]]
    quads = [own[k : k + 4] for k in range(len(own) - 3)] + [chain[:4], chain[1:]]
    record: dict[str, Any] = {
        "letter": letter,
        "parent": parent,
        "atoms": [a.name for a in order],
        "elements": [a.element.symbol for a in order],
        "coordinates": [[round(float(v), 4) for v in xyz[a.index] - origin] for a in order],
        "bonds": bonds,
        "chis": [{"atoms": four, "moves": moved_by(bonds, (four[1], four[2]))} for four in quads],
        "optional": [],
        "alternates": [],
    }
    record["rotamers"] = rotamer_rows(name, parent_rows)
    return record


def main() -> None:
    """Write modified.json beside this script."""
    folder = Path(__file__).parent
    parents = json.loads((folder / "rotamers.json").read_text(encoding="utf-8"))["rotamers"]
    records = {name: describe(name, parents[PARENTS[name][0]]) for name in sorted(PARENTS)}
    lines = ",\n".join(f' "{name}": {json.dumps(record)}' for name, record in records.items())
    (folder / "modified.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
