"""Other protonation states that a molecule may have at pH 7.4, for the groups whose pKa lies within about one of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rdkit import Chem
from rdkit.rdBase import BlockLogs

_MAX_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Alternative:
    """A state that was not chosen.

    Parameters
    ----------
    smiles : str
        Canonical, with the charges of the state.
    change : str
        Group, atom and what differs from the chosen state.
    """

    smiles: str
    change: str


@dataclass(frozen=True)
class _Borderline:
    """A group whose pKa is near 7.4; the first atom of the pattern gains (+1) or loses (-1) a proton.

    The pattern is written for the chosen state.
    """

    name: str
    smarts: str
    change: int
    pka: str


_SP3: Final = "!$(N~[!#1;!$([CX4])])"
_BORDERLINE: Final = (
    _Borderline("morpholine", f"[NX3;H0;+0;{_SP3};$(N1[CX4][CX4]O[CX4][CX4]1)]", +1, "7.1-7.4"),
    _Borderline("hydroxyethyl arylpiperazine", f"[NX3;H0;+0;{_SP3};$(N([CX4][CX4][OX2])1CCN(a)CC1)]", +1, "6.8"),
    _Borderline("amine beside a sulfone", f"[NX3;+0;{_SP3};$(N[CX4][CX4]S(=O)=O)]", +1, "6-7.2"),
    _Borderline("amine beside fluorine", f"[NX3;+0;{_SP3};$(N[CX4][CX4](F)F)]", +1, "5.7-7.3"),
    _Borderline("diarylmethylamine", f"[NX3;+0;{_SP3};$(N[CX4](a)a)]", +1, "6-7"),
    _Borderline(
        "imidazole",
        "[nX2;+0;R1]1[cH,$(c[CX4]);R1][nX3;R1;$([nH]),$(n[CX4])][cH,$(c[CX4]);R1][cH,$(c[CX4]);R1]1",
        +1,
        "6-7.5",
    ),
    _Borderline("alkylated piperazine", "[NX4;H1,H2;+1]1[CX4][CX4][NX3][CX4][CX4]1", -1, "7.5-8.5"),
    _Borderline("N-aryl sulfonamide", "[NX3;H1;+0](S(=O)=O)c", -1, "6.5-9"),
    _Borderline("hydroxamate", "[NX3;H1;+0]([OX2])[CX3]=O", -1, "8-9"),
    _Borderline("phenol with two halogens", "[OX2;H1;+0]c1c([F,Cl,Br,I])cccc1[F,Cl,Br,I]", -1, "6.8-8"),
    _Borderline("nitrophenol", "[OX2;H1;+0]c1aa[c;$(cN(=O)~O)]aa1", -1, "7.1"),
    _Borderline("nitrophenol", "[OX2;H1;+0]c1[c;$(cN(=O)~O)]aaaa1", -1, "7.2"),
    _Borderline("phosphate", "[OX1;-1]P([OX1;-1])=O", +1, "6-7"),
    _Borderline("4-(alkylamino)quinoline", "[nX3;+1]1[cH]cc([NX3])c2ccccc12", -1, "8-9"),
)
"""pKa ranges as measured for drugs with the group (Manallack, Perspect. Medicin. Chem. 2007, 1, 25, and textbooks)."""


def alternatives(state: Chem.Mol, amines: tuple[int, ...] = ()) -> tuple[Alternative, ...]:
    """Return the states that differ from the chosen one by one proton and are populated near pH 7.4.

    Parameters
    ----------
    state : Chem.Mol
        The chosen state, hydrogens implicit.
    amines : tuple of int
        Basic nitrogens, of which the chosen state protonates one of two neighbours only; the proton may sit on the
        other one.

    Returns
    -------
    tuple of Alternative
        Distinct, in the order of the table; at most six.
    """
    found: dict[str, Alternative] = {}
    own = Chem.MolToSmiles(state)
    for group in _BORDERLINE:
        for match in state.GetSubstructMatches(Chem.MolFromSmarts(group.smarts)):
            smiles = _shifted(state, {match[0]: group.change})
            sign = "protonated" if group.change > 0 else "deprotonated"
            _add(found, own, smiles, f"{group.name} {_label(state, match[0])} {sign} (pKa {group.pka})")
    for smiles, change in _other_site(state, amines):
        _add(found, own, smiles, change)
    return tuple(found.values())[:_MAX_SHOWN]


def _add(found: dict[str, Alternative], own: str, smiles: str, change: str) -> None:
    if smiles and smiles != own:
        found.setdefault(smiles, Alternative(smiles, change))


def _other_site(state: Chem.Mol, amines: tuple[int, ...]) -> list[tuple[str, str]]:
    distances = Chem.GetDistanceMatrix(state)
    charged = [i for i in amines if state.GetAtomWithIdx(i).GetFormalCharge() == 1]
    free = [i for i in amines if state.GetAtomWithIdx(i).GetFormalCharge() == 0]
    return [
        (_shifted(state, {i: -1, j: +1}), f"the proton of {_label(state, i)} on {_label(state, j)}")
        for i in charged
        for j in free
        if distances[i, j] <= 3
    ]


def _shifted(state: Chem.Mol, changes: dict[int, int]) -> str:
    """Return the SMILES after moving protons, empty where that makes no molecule."""
    result = Chem.RWMol(state)
    for index, change in changes.items():
        atom = result.GetAtomWithIdx(index)
        hydrogens = atom.GetTotalNumHs() + change
        if hydrogens < 0:
            return ""
        atom.SetFormalCharge(atom.GetFormalCharge() + change)
        atom.SetNoImplicit(True)
        atom.SetNumExplicitHs(hydrogens)
    with BlockLogs():
        try:
            Chem.SanitizeMol(result)
        except Chem.MolSanitizeException:
            return ""
        smiles: str = Chem.MolToSmiles(result)
    return smiles


def _label(molecule: Chem.Mol, index: int) -> str:
    return f"{molecule.GetAtomWithIdx(index).GetSymbol()}{index + 1}"
