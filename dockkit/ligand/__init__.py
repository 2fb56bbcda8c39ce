"""A library name, a SMILES or a molecule file becomes one protonated 3-D molecule with checked stereochemistry."""

from dockkit.core.molecule import to_rdkit
from dockkit.ligand.covalent import covalent_site, covalent_step_lost, covalent_warning
from dockkit.ligand.library import catalogue
from dockkit.ligand.reading import load_ligand
from dockkit.ligand.tables import LigandRow, expand_ligands, read_ligands

__all__ = [
    "LigandRow",
    "catalogue",
    "covalent_site",
    "covalent_step_lost",
    "covalent_warning",
    "expand_ligands",
    "load_ligand",
    "read_ligands",
    "to_rdkit",
]
