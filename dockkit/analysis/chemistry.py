"""What atoms of a ligand and of a protein can do: donors, acceptors, rings, charges, apolar atoms, metals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from dockkit.analysis.geometry import hydrogens_of
from dockkit.core.model import IntArray, Ligand, Receptor

METALS = ("MG", "MN", "ZN", "CA", "NA", "K")

_ACCEPTORS = (
    "[O;!+]",
    "[#7;!+;!$([nX3]);!$([NX3]-*=[O,N,S]);!$([NX3]-[a]);!$([NX3]-S(=O)=O);!$([NX3](-[#6,#1])(-[#6,#1])-[#6]=[#7])]",
    "[SX2;$([S](=*)),$([s])]",
)
_CATIONS = ("[#7+;!$([#7+]~[O-])]", "[NX3;$(N-C=[N+])]")
_ANIONS = ("[O-;!$([O-]~[#7+])]", "[O;X1;$(O=[C,P,S]~[O-])]")
_APOLAR_CARBON = "[#6;!$([#6]~[#7,#8,F,P,Mg])]"
_APOLAR_OTHER = "[SX2;!$(S~[O,N]);H0,Cl,Br,I]"
_HALOGENS = "[Cl,Br,I;X1]-[#6]"

_PROTEIN_APOLAR = {
    "ALA": "CB", "VAL": "CB CG1 CG2", "LEU": "CB CG CD1 CD2", "ILE": "CB CG1 CG2 CD1", "MET": "CB CG SD CE",
    "PHE": "CB CG CD1 CD2 CE1 CE2 CZ", "TYR": "CB CG CD1 CD2 CE1 CE2", "TRP": "CB CG CD2 CE3 CZ2 CZ3 CH2",
    "PRO": "CB CG", "LYS": "CB CG CD", "ARG": "CB CG", "THR": "CG2", "GLU": "CB CG", "GLN": "CB CG", "CYS": "CB",
    "ASP": "CB", "ASN": "CB", "HIS": "CB",
}  # fmt: skip
_PROTEIN_RINGS = {
    "PHE": ("CG CD1 CD2 CE1 CE2 CZ",), "TYR": ("CG CD1 CD2 CE1 CE2 CZ",), "HIS": ("CG ND1 CD2 CE1 NE2",),
    "TRP": ("CG CD1 CD2 NE1 CE2", "CD2 CE2 CE3 CZ2 CZ3 CH2"),
}  # fmt: skip
_PROTEIN_CATIONS = {"LYS": "NZ", "ARG": "NE NH1 NH2"}
_PROTEIN_ANIONS = {
    "ASP": "OD1 OD2", "GLU": "OE1 OE2", "SEP": "O1P O2P O3P", "TPO": "O1P O2P O3P", "PTR": "O1P O2P O3P",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Features:
    """Atoms by what they can do, as indices.

    Parameters
    ----------
    donors : dict of int to (n,) int
        Donor heavy atom to its hydrogens.
    acceptors, apolar, cations, anions, metals, donors_to_metal : (n,) int
    halogens : (n, 2) int
        Halogen and the carbon it is on.
    rings : tuple of (n,) int
        Aromatic rings.
    """

    donors: dict[int, IntArray]
    acceptors: IntArray
    apolar: IntArray
    cations: IntArray
    anions: IntArray
    metals: IntArray
    donors_to_metal: IntArray
    halogens: IntArray
    rings: tuple[IntArray, ...]


def _matches(molecule: Chem.Mol, *patterns: str) -> IntArray:
    found = {
        match[0]
        for text in patterns
        for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(text), maxMatches=5000)
    }
    return np.array(sorted(found), dtype=np.int64)


def _perceived(ligand: Ligand) -> Chem.Mol | None:
    molecule = Chem.MolFromMolBlock(ligand.mol_block, removeHs=False, sanitize=False)
    if molecule is None or molecule.GetNumAtoms() != ligand.n_atoms:
        return None
    failed = Chem.SanitizeMol(molecule, catchErrors=True)
    if failed != Chem.SanitizeFlags.SANITIZE_NONE:
        molecule.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(molecule)
    return molecule


def ligand_features(ligand: Ligand) -> Features:
    """Return what the ligand's atoms can do.

    Parameters
    ----------
    ligand : Ligand
        Where its mol block cannot be read, N and O accept and nothing else is known.
    """
    empty = np.zeros(0, dtype=np.int64)
    donors = hydrogens_of(ligand.elements, ligand.coordinates)
    upper = np.char.upper(ligand.elements.astype(str))
    metals = np.flatnonzero(np.isin(upper, METALS))
    polar = np.flatnonzero(np.isin(ligand.elements, ("N", "O")))
    molecule = _perceived(ligand)
    if molecule is None:
        return Features(donors, polar, empty, empty, empty, metals, polar, empty.reshape(0, 2), ())
    halogen = Chem.MolFromSmarts(_HALOGENS)
    rings = tuple(
        np.array(ring, dtype=np.int64)
        for ring in molecule.GetRingInfo().AtomRings()
        if all(molecule.GetAtomWithIdx(i).GetIsAromatic() for i in ring)
    )
    acceptors = _matches(molecule, *_ACCEPTORS)
    return Features(
        donors=donors,
        acceptors=acceptors,
        apolar=_matches(molecule, _APOLAR_CARBON, _APOLAR_OTHER),
        cations=_matches(molecule, *_CATIONS),
        anions=_matches(molecule, *_ANIONS),
        metals=metals,
        donors_to_metal=acceptors,
        halogens=np.array(molecule.GetSubstructMatches(halogen), dtype=np.int64).reshape(-1, 2),
        rings=rings,
    )


def residue_features(receptor: Receptor, residue: int) -> Features:
    """Return what the atoms of one residue can do, as indices into the receptor's atoms.

    Parameters
    ----------
    receptor : Receptor
    residue : int
        Index of an amino acid, a cap, or an ion.
    """
    atoms = receptor.atom_indices(residue)
    name = str(receptor.residue_names[residue])
    names, elements = receptor.atom_names[atoms], receptor.elements[atoms]
    bound = hydrogens_of(elements, receptor.coordinates[atoms])
    donors = {int(atoms[heavy]): atoms[hydrogens] for heavy, hydrogens in bound.items()}

    def named(text: str) -> IntArray:
        return np.asarray(atoms[np.isin(names, text.split())], dtype=np.int64)

    bare = [atom for atom in named("ND1 NE2" if name == "HIS" else "").tolist() if atom not in donors]
    oxygens = np.asarray(atoms[elements == "O"], dtype=np.int64)
    acceptors = np.concatenate([oxygens, np.array(bare, dtype=np.int64)])
    doubly = name == "HIS" and len(named("HD1")) and len(named("HE2"))
    rings = tuple(ring for ring in (named(text) for text in _PROTEIN_RINGS.get(name, ())) if len(ring) >= 5)
    return Features(
        donors=donors,
        acceptors=acceptors,
        apolar=named(_PROTEIN_APOLAR.get(name, "")),
        cations=named("ND1 NE2") if doubly else named(_PROTEIN_CATIONS.get(name, "")),
        anions=named(_PROTEIN_ANIONS.get(name, "")),
        metals=np.asarray(atoms if name in METALS else atoms[:0], dtype=np.int64),
        donors_to_metal=acceptors,
        halogens=np.zeros((0, 2), dtype=np.int64),
        rings=rings,
    )
