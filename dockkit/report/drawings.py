"""2-D drawings of the inhibitors as inline SVG, in the page's own colours."""

from __future__ import annotations

import re
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdCoordGen, rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from dockkit.core.model import Ligand

_BLACK = "#101010"
_PALETTE = {
    0: (16, 16, 16), 1: (16, 16, 16), 6: (16, 16, 16), 7: (60, 100, 230), 8: (214, 60, 40), 9: (40, 140, 60),
    15: (200, 110, 0), 16: (165, 125, 0), 17: (40, 140, 60), 35: (160, 70, 40), 53: (130, 60, 170), 12: (90, 130, 90),
}  # fmt: skip


def draw_molecule(smiles: str, width: int = 320, height: int = 210) -> str:
    """Return an SVG element of a molecule, without hydrogens, in ``currentColor`` and heteroatom colours.

    Parameters
    ----------
    smiles : str
        The molecule.
    width, height : int
        Size of the view box in pixels.

    Returns
    -------
    str
        One ``<svg>`` element; empty where RDKit cannot read the SMILES.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return ""
    if len(Chem.GetMolFrags(molecule)) == 1:
        rdCoordGen.AddCoords(molecule)
    else:
        rdDepictor.Compute2DCoords(molecule)
    rdDepictor.NormalizeDepiction(molecule, -1, 1)
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.bondLineWidth = 1.6
    options.padding = 0.04
    options.minFontSize = 9
    options.maxFontSize = 15
    options.setAtomPalette({number: tuple(part / 255 for part in rgb) for number, rgb in _PALETTE.items()})
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, molecule)
    drawer.FinishDrawing()
    text = drawer.GetDrawingText()
    body = text[text.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    opening = f'<svg class="molecule" viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false">'
    return re.sub(r"<svg[^>]*>", opening, body, count=1).replace(_BLACK, "currentColor").strip()


def draw_ligand(ligand: Ligand | None) -> str:
    """Return the drawing of a ligand, empty where the record is missing."""
    return "" if ligand is None else draw_molecule(ligand.smiles)
