"""Complexes as PDB and mmCIF, poses as SDF."""

from dockkit.core.formats.mmcif import complex_mmcif, write_complex_mmcif
from dockkit.core.formats.numbering import residue_labels
from dockkit.core.formats.parts import LigandBlocks, LigandPart, ligand_parts, mol_block_bonds
from dockkit.core.formats.pdb import complex_pdb, write_complex_pdb
from dockkit.core.formats.sdf import sdf_record, write_sdf

__all__ = [
    "LigandBlocks",
    "LigandPart",
    "complex_mmcif",
    "complex_pdb",
    "ligand_parts",
    "mol_block_bonds",
    "residue_labels",
    "sdf_record",
    "write_complex_mmcif",
    "write_complex_pdb",
    "write_sdf",
]
