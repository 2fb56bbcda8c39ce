"""Inhibitors that bond to a cysteine: where they do, with what, and whether a mutation takes that away."""

from __future__ import annotations

import re
from typing import Final

from rdkit import Chem

from dockkit.core.model import LigandEntry, Substitution, Variant

WARHEADS: Final = {
    "4-aminocrotonamide": "[#7][CX4][CH]=[CH]C(=O)[NX3]",
    "acrylamide": "[CH2]=[CH]C(=O)[NX3]",
    "2-fluoroacrylamide": "[CH2]=C(F)C(=O)[NX3]",
    "2-cyanoacrylamide": "[CH1]=C(C#N)C(=O)[NX3]",
    "2-butynamide": "[CH3]C#CC(=O)[NX3]",
    "propynamide": "[CH]#CC(=O)[NX3]",
    "chloroacetamide": "Cl[CH2]C(=O)[NX3]",
    "vinyl sulfone or sulfonamide": "[CH2]=[CH]S(=O)(=O)",
    "maleimide": "O=C1C=CC(=O)N1",
    "enone": "[CH2]=[CH]C(=O)[#6]",
    "epoxide": "[CX4]1[CX4]O1",
    "cyanamide": "[CX4][NX3]([CX4])C#N",
}
"""Groups that bond to a cysteine by design (Gehringer and Laufer, J. Med. Chem. 2019, 62, 5673), with their SMARTS."""

_SITE: Final = re.compile(r"([A-Za-z0-9]+) ([A-Z])(\d+)")


def find_warhead(molecule: Chem.Mol) -> str:
    """Return the name of the cysteine-reactive group of a molecule, or an empty string."""
    return next(
        (name for name, smarts in WARHEADS.items() if molecule.HasSubstructMatch(Chem.MolFromSmarts(smarts))), ""
    )


def covalent_site(entry: LigandEntry | None, gene: str) -> Substitution | None:
    """Return the residue of a kinase that a ligand bonds to, as a substitution of the residue by itself.

    Parameters
    ----------
    entry : LigandEntry or None
        Its ``covalent_residue`` lists kinases and residues, e.g. ``EGFR C797, ERBB2 C805``.
    gene : str
        HGNC symbol of the kinase.

    Returns
    -------
    Substitution or None
        With the UniProt number; None where the ligand is not known to bond to this kinase.
    """
    for kinase, letter, number in _SITE.findall(entry.covalent_residue if entry else ""):
        if kinase.upper() == gene.upper():
            return Substitution(int(number), letter, letter)
    return None


def covalent_step_lost(entry: LigandEntry | None, gene: str, variant: Variant) -> bool:
    """Tell whether a variant removes the residue that the ligand bonds to.

    Parameters
    ----------
    entry : LigandEntry or None
        Catalogue facts of the ligand.
    gene : str
        HGNC symbol of the kinase.
    variant : Variant
        Under UniProt numbers.

    Returns
    -------
    bool
    """
    site = covalent_site(entry, gene)
    return site is not None and any(
        item.number == site.number and item.mutant != site.wild_type for item in variant.substitutions
    )


def covalent_warning(entry: LigandEntry | None, gene: str, variant: Variant, label: str) -> str:
    """Return what a report says of the covalent step of one ligand with one variant, empty where there is none.

    Parameters
    ----------
    entry, gene, variant
        As for ``covalent_step_lost``.
    label : str
        The ligand's name in the report.
    """
    site = covalent_site(entry, gene)
    if entry is None or site is None:
        return ""
    warhead = find_warhead(Chem.MolFromSmiles(entry.smiles))
    bond = f"{label} bonds to {gene} {site.wild_type}{site.number}" + (f" by its {warhead}" if warhead else "")
    if covalent_step_lost(entry, gene, variant):
        return (
            f"{bond}; {variant.label} removes that residue, so the covalent step is lost: what remains is reversible "
            "binding, which is what the numbers describe, and the loss of potency in cells is larger than they say"
        )
    return f"{bond}; only the reversible complex before that bond is computed"
