"""Tautomers: which one is modelled, and which others there are.

The tautomer of the input is kept, with two exceptions. A molecule of the library written as another tautomer becomes
the library's (``dockkit.ligand.state``). A quinoid or imino form that a proton shift between heteroatoms turns into
a form with one more aromatic ring, no amide lost, becomes that form. RDKit's own canonical tautomer is not used: it is
chosen to be unique, not to be the stable one, and it turns the oxindoles of sunitinib into hydroxyindoles.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

_MAX_TAUTOMERS, _MAX_TRANSFORMS, _MAX_SHOWN = 64, 200, 3
_MAX_HEAVY: Final = 100
_AMIDE: Final = "[NX3,nX3]-,:[#6X3]=[OX1]"


@functools.cache
def _enumerator() -> Any:
    settings = rdMolStandardize.CleanupParameters()
    settings.maxTautomers, settings.maxTransforms = _MAX_TAUTOMERS, _MAX_TRANSFORMS
    settings.tautomerRemoveBondStereo = settings.tautomerRemoveSp3Stereo = False
    return rdMolStandardize.TautomerEnumerator(settings)


def tautomers(molecule: Chem.Mol) -> tuple[Chem.Mol, ...]:
    """Return the tautomers that differ in protons on N, O and S alone, the molecule itself left out.

    Parameters
    ----------
    molecule : Chem.Mol
        Hydrogens implicit.

    Returns
    -------
    tuple of Chem.Mol
        Same atoms in the same order, in the order of their SMILES; stereo as in the molecule. Empty above 100 heavy
        atoms.
    """
    if molecule.GetNumHeavyAtoms() > _MAX_HEAVY:
        return ()
    own, carbons = Chem.MolToSmiles(molecule), _hydrogens_on_carbon(molecule)
    with BlockLogs():
        found = {Chem.MolToSmiles(item): item for item in _enumerator().Enumerate(Chem.Mol(molecule)).tautomers}
    return tuple(
        found[smiles] for smiles in sorted(found) if smiles != own and _hydrogens_on_carbon(found[smiles]) == carbons
    )


def settle(molecule: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Return the tautomer to model, and what was changed and which others there are.

    Parameters
    ----------
    molecule : Chem.Mol
        Hydrogens implicit.

    Returns
    -------
    molecule : Chem.Mol
        Same atoms in the same order.
    notes : tuple of str
        Empty where the molecule has no other tautomer worth naming.
    """
    others = tautomers(molecule)
    notes: tuple[str, ...] = ()
    rings, amides = aromatic_rings(molecule), _amides(molecule)
    better = [item for item in others if aromatic_rings(item) > rings and _amides(item) >= amides]
    if better:
        written = Chem.MolToSmiles(molecule)
        molecule = max(better, key=lambda item: (aromatic_rings(item), _score(item), Chem.MolToSmiles(item)))
        notes = (f"tautomer {written} replaced by {Chem.MolToSmiles(molecule)}, which has more aromatic rings",)
    return molecule, (*notes, *_named(molecule, others))


def _named(molecule: Chem.Mol, others: tuple[Chem.Mol, ...]) -> tuple[str, ...]:
    """Return a note on the tautomers that are as aromatic as the one chosen."""
    rings, amides, benzenes = aromatic_rings(molecule), _amides(molecule), _benzenes(molecule)
    own = Chem.MolToSmiles(molecule)
    equal = [
        Chem.MolToSmiles(item)
        for item in others
        if aromatic_rings(item) >= rings and _amides(item) >= amides and _benzenes(item) >= benzenes
    ]
    equal = [smiles for smiles in equal if smiles != own]
    if not equal:
        return ()
    more = f" and {len(equal) - _MAX_SHOWN} more" if len(equal) > _MAX_SHOWN else ""
    return (f"tautomer as modelled is one of {len(equal) + 1}; others: {', '.join(equal[:_MAX_SHOWN])}{more}",)


def aromatic_rings(molecule: Chem.Mol) -> int:
    """Return the number of rings whose bonds are all aromatic and that carry no exocyclic C=C or C=N."""
    rings = molecule.GetRingInfo()
    return sum(
        all(molecule.GetBondWithIdx(b).GetIsAromatic() for b in bonds)
        and not any(_is_ylidene(molecule.GetAtomWithIdx(a)) for a in atoms)
        for atoms, bonds in zip(rings.AtomRings(), rings.BondRings(), strict=True)
    )


def _is_ylidene(atom: Chem.Atom) -> bool:
    return any(
        bond.GetBondType() == Chem.BondType.DOUBLE and bond.GetOtherAtom(atom).GetAtomicNum() in (6, 7)
        for bond in atom.GetBonds()
    )


def _benzenes(molecule: Chem.Mol) -> int:
    return len(molecule.GetSubstructMatches(Chem.MolFromSmarts("c1[cH0,cH1]cccc1"))) if molecule.GetNumAtoms() else 0


def _amides(molecule: Chem.Mol) -> int:
    return len(molecule.GetSubstructMatches(Chem.MolFromSmarts(_AMIDE)))


def _hydrogens_on_carbon(molecule: Chem.Mol) -> tuple[int, ...]:
    return tuple(atom.GetTotalNumHs() for atom in molecule.GetAtoms() if atom.GetAtomicNum() == 6)


def _score(molecule: Chem.Mol) -> int:
    return int(rdMolStandardize.TautomerEnumerator.ScoreTautomer(molecule))
