"""Make ``residues.json``: ideal geometry of the twenty amino acids with every hydrogen.

Each amino acid X is built as Ala-X-Ala with RDKit (L, from sequence), protonated and minimised with OpenMM's amber14
force field in vacuum; residue 2 is kept. Chi angles are written as found, with the atoms that each one moves.
Hydrogens that only some protonation states have are marked optional. Run: ``python make_residues.py``.
"""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from openmm import LangevinIntegrator, Platform, unit
from openmm.app import ForceField, Modeller, NoCutoff, PDBFile, Simulation
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

LETTERS = (
    "ALA A ARG R ASN N ASP D CYS C GLN Q GLU E GLY G HIS H ILE I"
    " LEU L LYS K MET M PHE F PRO P SER S THR T TRP W TYR Y VAL V"
)
ONE_LETTER = {letter: name for name, letter in zip(LETTERS.split()[::2], LETTERS.split()[1::2], strict=True)}
VARIANT = {"ASP": "ASH", "GLU": "GLH", "HIS": "HIP"}
OPTIONAL = {"ASP": ["HD2"], "GLU": ["HE2"], "HIS": ["HD1", "HE2"], "CYS": ["HG"], "LYS": ["HZ1"]}
CHI = {  # the IUPAC-IUB 1970 definition
    "ARG": ["CG", "CD", "NE", "CZ"],
    "LYS": ["CG", "CD", "CE", "NZ"],
    "MET": ["CG", "SD", "CE"],
    "GLN": ["CG", "CD", "OE1"],
    "GLU": ["CG", "CD", "OE1"],
    "ASN": ["CG", "OD1"],
    "ASP": ["CG", "OD1"],
    "HIS": ["CG", "ND1"],
    "ILE": ["CG1", "CD1"],
    "PRO": ["CG", "CD"],
    "CYS": ["SG"],
    "SER": ["OG"],
    "THR": ["OG1"],
    "VAL": ["CG1"],
    **dict.fromkeys(("LEU", "PHE", "TRP", "TYR"), ["CG", "CD1"]),
}
BACKBONE = ("N", "H", "CA", "HA", "HA2", "HA3", "C", "O")


def minimised_tripeptide(letter: str, name: str, seed: int = 7) -> tuple[Any, np.ndarray]:
    """Return the topology and coordinates (n, 3) in Angstrom of Ala-X-Ala."""
    random.seed(seed)
    molecule = Chem.AddHs(Chem.MolFromSequence(f"A{letter}A"))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=seed)
    rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=2000)
    heavy = Chem.RemoveHs(molecule)
    if name == "ILE":  # RDKit calls the carbon that carries CD1 CG2
        swap = {" CG1": " CG2", " CG2": " CG1"}
        for atom in heavy.GetAtoms():
            info = atom.GetPDBResidueInfo()
            info.SetName(swap.get(info.GetName(), info.GetName()))
    pdb = PDBFile(io.StringIO(Chem.MolToPDBBlock(heavy)))
    field = ForceField("amber14/protein.ff14SB.xml")
    modeller = Modeller(pdb.topology, pdb.positions)
    modeller.addHydrogens(
        field, variants=[None, VARIANT.get(name), None], platform=Platform.getPlatformByName("Reference")
    )
    system = field.createSystem(modeller.topology, nonbondedMethod=NoCutoff)
    simulation = Simulation(
        modeller.topology, system, LangevinIntegrator(0, 1, 0.001), Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(modeller.positions)
    simulation.minimizeEnergy(tolerance=0.1 * unit.kilojoules_per_mole / unit.nanometer)
    positions = simulation.context.getState(getPositions=True).getPositions(asNumpy=True)
    return modeller.topology, np.array(positions.value_in_unit(unit.angstrom))


def moved_by(bonds: list[list[str]], axis: tuple[str, str]) -> list[str]:
    """Return the atoms on the far side of the bond ``axis``, without its ends; a ring bond moves none."""
    seen, stack = {axis[1]}, [axis[1]]
    while stack:
        atom = stack.pop()
        for a, b in bonds:
            for here, other in ((a, b), (b, a)):
                if here == atom and other not in seen and {here, other} != set(axis):
                    seen.add(other)
                    stack.append(other)
    return [] if axis[0] in seen else sorted(seen - {axis[1]})


def pucker(order: list[Any], xyz: np.ndarray) -> float:
    """Return the sign of the proline chi1 angle."""
    n, ca, cb, cg = (next(xyz[a.index] for a in order if a.name == name) for name in ("N", "CA", "CB", "CG"))
    return float(np.sign(np.dot(np.cross(ca - n, cb - ca), cg - cb)))


def other_pucker(order: list[Any], xyz: np.ndarray) -> list[list[float]]:
    """Return proline's coordinates with the ring bent the other way, main chain trans as before."""
    for seed in range(8, 60):
        topology, trial = minimised_tripeptide("P", "PRO", seed)
        atoms = {a.name: trial[a.index] for a in list(topology.residues())[1].atoms()}
        points = np.zeros_like(xyz)
        for atom in order:
            points[atom.index] = atoms[atom.name]
        if pucker(order, points) != pucker(order, xyz):
            return [[round(float(v), 4) for v in atoms[a.name] - atoms["CA"]] for a in order]
    raise RuntimeError("no second proline pucker found")


def describe(letter: str, name: str) -> dict[str, Any]:
    """Return one residue's record."""
    topology, xyz = minimised_tripeptide(letter, name)
    residue = list(topology.residues())[1]
    atoms = list(residue.atoms())
    origin = next(xyz[a.index] for a in atoms if a.name == "CA")
    bonds = [[a.name, b.name] for a, b in topology.bonds() if a.residue is residue and b.residue is residue]
    chain = ["N", "CA", "CB", *CHI.get(name, [])]
    chis = [
        {"atoms": chain[k : k + 4], "moves": moved_by(bonds, (chain[k + 1], chain[k + 2]))}
        for k in range(len(chain) - 3)
    ]
    order = sorted(atoms, key=lambda a: (a.name not in BACKBONE, a.index))
    alternates = [other_pucker(order, xyz)] if name == "PRO" else []
    return {
        "letter": letter,
        "atoms": [a.name for a in order],
        "elements": [a.element.symbol for a in order],
        "coordinates": [[round(float(v), 4) for v in xyz[a.index] - origin] for a in order],
        "bonds": bonds,
        "chis": chis,
        "optional": OPTIONAL.get(name, []),
        "alternates": alternates,
    }


def main() -> None:
    """Write residues.json beside this script."""
    records = {name: describe(letter, name) for letter, name in sorted(ONE_LETTER.items(), key=lambda kv: kv[1])}
    lines = ",\n".join(f' "{name}": {json.dumps(record)}' for name, record in records.items())
    Path(__file__).with_name("residues.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
