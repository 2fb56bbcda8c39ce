"""A library name, a SMILES or a molecule file becomes one protonated 3-D molecule with checked stereochemistry."""

from dockkit.core.molecule import to_rdkit
from dockkit.ligand.library import catalogue
from dockkit.ligand.reading import load_ligand

__all__ = ["catalogue", "load_ligand", "to_rdkit"]
