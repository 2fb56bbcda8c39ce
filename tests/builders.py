"""Small molecules and peptides for tests, built from scratch."""

from __future__ import annotations

import functools
import random

import numpy as np
import openmm
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.model import Ligand, LigandParameters, Receptor


@functools.cache
def peptide(sequence: str = "AKTIFDG") -> Receptor:
    """Return an uncapped peptide in one conformation, hydrogens included, residues numbered from 311."""
    molecule = Chem.MolFromSequence(sequence)
    with_hydrogens = Chem.AddHs(molecule)
    AllChem.EmbedMolecule(with_hydrogens, randomSeed=7)
    heavy = with_hydrogens.GetConformer().GetPositions()[: molecule.GetNumAtoms()]
    topology = app.Topology()
    chain, residue, seen = topology.addChain("A"), None, 0
    for atom in molecule.GetAtoms():
        info = atom.GetPDBResidueInfo()
        if info.GetResidueNumber() != seen:
            seen = info.GetResidueNumber()
            residue = topology.addResidue(info.GetResidueName().strip(), chain, str(seen + 310))
        topology.addAtom(info.GetName().strip(), app.Element.getBySymbol(atom.GetSymbol()), residue)
    topology.createStandardBonds()
    modeller = app.Modeller(topology, heavy * unit.angstrom)
    platform = openmm.Platform.getPlatformByName("Reference")
    force_field = app.ForceField("amber14/protein.ff14SB.xml")
    random.seed(7)  # OpenMM places hydrogens at random before it minimises them
    modeller.addHydrogens(force_field, pH=7.0, platform=platform)
    system = force_field.createSystem(modeller.topology)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 300)
    positions = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    atoms = list(modeller.topology.atoms())
    residues = list(modeller.topology.residues())
    n = len(residues)
    return Receptor(
        name="peptide",
        kinase="",
        uniprot="",
        source="built",
        modelled=False,
        atom_names=[a.name for a in atoms],
        elements=[a.element.symbol for a in atoms],
        atom_residue=[a.residue.index for a in atoms],
        coordinates=positions,
        residue_names=[r.name for r in residues],
        chain_ids=["A"] * n,
        insertion_codes=[""] * n,
        author_numbers=[int(r.id) for r in residues],
        uniprot_numbers=[int(r.id) for r in residues],
        segments=[0] * n,
    )


def ion(
    charge: float = 1.0, position: tuple[float, float, float] = (0.0, 0.0, 0.0), name: str = "ion"
) -> tuple[Ligand, LigandParameters]:
    """Return a monatomic ligand (a sodium ion's element, any charge) and its parameters."""
    lines = (
        "",
        "     dockkit",
        "",
        "  1  0  0  0  0  0  0  0  0  0999 V2000",
        "    0.0000    0.0000    0.0000 Na  0  3",
        "M  CHG  1   1   1",
        "M  END",
        "",
    )
    block = "\n".join(lines)
    ligand = Ligand(name, "[Na+]", block, ["Na"], [round(charge)], [position])
    empty = np.zeros((0, 2))
    parameters = LigandParameters(
        name=name,
        smiles="[Na+]",
        method="test",
        masses=[22.99],
        charges=[charge],
        sigma=[2.6],
        epsilon=[0.09],
        bond_atoms=empty,
        bond_parameters=empty,
        angle_atoms=np.zeros((0, 3)),
        angle_parameters=empty,
        torsion_atoms=np.zeros((0, 4)),
        torsion_parameters=np.zeros((0, 3)),
        exception_atoms=empty,
        exception_parameters=np.zeros((0, 3)),
    )
    return ligand, parameters
