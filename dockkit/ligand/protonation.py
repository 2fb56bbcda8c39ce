"""The protonation state at pH 7.4, by a short table of groups with well-known pKa.

The table covers the groups that decide the charge of kinase inhibitors. It is not a pKa predictor: where two groups
compete or the environment shifts a pKa across 7.4 the user can give the charged SMILES or a 3-D file with all
hydrogens, which are taken as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError

PH = 7.4


@dataclass(frozen=True)
class IonisableGroup:
    """A group and what it becomes at pH 7.4; the first atom of the pattern gains (+1) or loses (-1) a proton."""

    name: str
    smarts: str
    change: int
    pka: str


_WEAK_AMINES = (
    "!$([N;H0]1[CX4][CX4]O[CX4][CX4]1)",  # N-substituted morpholine, 7.1-7.4
    "!$(N[CX4][#7,#8,#15,#16])",  # aminals and their like
    "!$(N[CX4][CX3]#N)",
    "!$(N[CX4]C#N)",  # aminonitrile, 5.3
    "!$(N[CX4][CX4](F)F)",  # 2,2-difluoro- and 2,2,2-trifluoroethylamine, 5.7-7.3
    "!$(N[CX4][CX4]S(=O)=O)",  # taurine-like sulfone, 6-7
    "!$(N([CX4][CX4][OX2])1[CX4][CX4]N(a)[CX4][CX4]1)",  # hydroxyethyl arylpiperazine, 6.8 (dasatinib)
    "!$(N[CX4](a)a)",  # diarylmethylamine, 6-7
)

GROUPS: tuple[IonisableGroup, ...] = (
    IonisableGroup("carboxylic acid", "[OX2;H1;+0][CX3](=[OX1])[#6,#1]", -1, "4-5"),
    IonisableGroup("phosphate or phosphonate", "[O,S;X2;H1;+0]P=[O,S]", -1, "1-2 and 6-7"),
    IonisableGroup("sulfonic acid", "[OX2;H1;+0]S(=O)=O", -1, "< 1"),
    IonisableGroup("tetrazole", "[nX3;H1;+0]1nnnc1", -1, "4.9"),
    IonisableGroup("tetrazole", "[nX3;H1;+0]1nncn1", -1, "4.9"),
    IonisableGroup("acyl sulfonamide", "[NX3;H1;+0](C=O)S(=O)=O", -1, "4-5"),
    IonisableGroup("sulfonylurea", "[NX3;H1;+0](C(=O)N)S(=O)=O", -1, "5-6"),
    IonisableGroup("thiazolidinedione", "[NX3;H1;+0]1C(=O)SCC1=O", -1, "6.5"),
    IonisableGroup("thiophenol", "[SX2;H1;+0]c", -1, "6.6"),
    IonisableGroup("dinitrophenol", "[OX2;H1;+0]c1c(N(=O)~O)cc(N(=O)~O)cc1", -1, "4"),
    IonisableGroup("4-hydroxycoumarin", "[OX2;H1;+0]c1cc(=O)oc2ccccc12", -1, "4-5"),
    IonisableGroup("tetronic acid (ascorbic acid)", "[OX2;H1;+0]C1=CC(=O)OC1", -1, "4"),
    IonisableGroup("guanidine", "[NX2;+0;!$(N[!#6;!#1]);!$(NC=O);!$(NC#N);!$(Na)]=[CX3;!R](N)N", +1, "12-13"),
    IonisableGroup(
        "amidine",
        "[NX2;+0;!$(N[!#6;!#1]);!$(NC=O);!$(Na);!R]=[CX3;!R]([#6,#1])[NX3;!$(N[!#6;!#1]);!$(NC=O)]",
        +1,
        "11-12",
    ),
    IonisableGroup("4-aminopyridine", "[nX2;+0]1[cH]cc([NX3;H2,$([N;H1,H0]([CX4])[#1,CX4])])c[cH]1", +1, "9.1-9.7"),
    IonisableGroup("4-(alkylamino)quinoline", "[nX2;+0]1[cH]cc([NX3;H1][CX4])c2ccccc12", +1, "8-9"),
    IonisableGroup("aliphatic amine", f"[NX3;+0;!$(N~[!#1;!$([CX4])]);{';'.join(_WEAK_AMINES)}]", +1, "8-11"),
)
"""Groups and pKa ranges as in textbooks (e.g. Smith and March, Advanced Organic Chemistry, chapter 8)."""

_AMINE = "aliphatic amine"


def is_charged(molecule: Chem.Mol) -> bool:
    """Tell whether an atom carries a charge that moving protons could take away.

    Quaternary nitrogens, nitro groups, N-oxides and their like do not count: they are charged at any pH.
    """
    with BlockLogs():
        neutral = Chem.RemoveHs(rdMolStandardize.Uncharger().uncharge(Chem.Mol(molecule)))
        heavy = Chem.RemoveHs(molecule)
    return any(
        a.GetFormalCharge() != b.GetFormalCharge() for a, b in zip(heavy.GetAtoms(), neutral.GetAtoms(), strict=True)
    )


def amines(molecule: Chem.Mol) -> tuple[int, ...]:
    """Return the atoms of an uncharged molecule that the table takes for basic amines."""
    pattern = Chem.MolFromSmarts(next(group.smarts for group in GROUPS if group.name == _AMINE))
    return tuple(match[0] for match in molecule.GetSubstructMatches(pattern))


def protonate(molecule: Chem.Mol) -> tuple[Chem.Mol, tuple[str, ...]]:
    """Return the molecule in its state at pH 7.4 and one note on what was decided.

    Parameters
    ----------
    molecule : Chem.Mol
        Uncharged, hydrogens implicit (or explicit ones removed).

    Returns
    -------
    molecule : Chem.Mol
        Same heavy atoms in the same order, hydrogens implicit.
    notes : tuple of str
        What the rules changed, with the group and its pKa range.

    Raises
    ------
    LigandError
        The charged form has an impossible valence.
    """
    result = Chem.RWMol(molecule)
    changed: list[str] = []
    basic: list[int] = []
    done: set[int] = set()
    guanidines: list[int] = []
    for group in GROUPS:
        for match in molecule.GetSubstructMatches(Chem.MolFromSmarts(group.smarts)):
            if match[0] in done or _beside_another(molecule, group.name, match[0], guanidines):
                continue
            done.add(match[0])
            if group.name == _AMINE:
                basic.append(match[0])
            else:
                _ionise(result, match[0], group.change)
                changed.append(f"{group.name} {_label(molecule, match[0])} {group.change:+d} (pKa {group.pka})")
    for index in _strongest(molecule, basic):
        _ionise(result, index, +1)
        changed.append(f"{_AMINE} {_label(molecule, index)} +1 (pKa 8-11)")
    try:
        Chem.SanitizeMol(result)
    except Chem.MolSanitizeException as error:
        raise LigandError(f"protonation at pH {PH} fails ({error}); give the charged SMILES instead") from error
    what = "; ".join(changed) if changed else "no group of the table ionises"
    return result.GetMol(), (f"protonation at pH {PH} by rule: {what}",)


def _beside_another(molecule: Chem.Mol, name: str, index: int, guanidines: list[int]) -> bool:
    """Tell whether a guanidine or amidine shares its proton with one taken before (a biguanide has one charge)."""
    if name not in ("guanidine", "amidine"):
        return False
    distances = Chem.GetDistanceMatrix(molecule)
    if any(distances[index, other] <= 4 for other in guanidines):
        return True
    guanidines.append(index)
    return False


def _label(molecule: Chem.Mol, index: int) -> str:
    return f"{molecule.GetAtomWithIdx(index).GetSymbol()}{index + 1}"


def _ionise(molecule: Chem.RWMol, index: int, change: int) -> None:
    atom = molecule.GetAtomWithIdx(index)
    hydrogens = max(atom.GetTotalNumHs() + change, 0)
    atom.SetFormalCharge(atom.GetFormalCharge() + change)
    atom.SetNoImplicit(True)
    atom.SetNumExplicitHs(hydrogens)
    atom.UpdatePropertyCache(strict=False)


def _strongest(molecule: Chem.Mol, amines: list[int]) -> list[int]:
    """Return the amines that are protonated: of two within three bonds (N-C-C-N) only the stronger one.

    Order of strength: secondary in a ring or chain, methylated, other, benzylic; ties by canonical rank, so that
    the order of the input atoms does not matter.
    """
    if not amines:
        return []
    ranks = list(Chem.CanonicalRankAtoms(molecule))
    benzylic, methyl = Chem.MolFromSmarts("[NX3][CX4]a"), Chem.MolFromSmarts("[NX3][CH3]")
    on_benzyl = {match[0] for match in molecule.GetSubstructMatches(benzylic)}
    on_methyl = {match[0] for match in molecule.GetSubstructMatches(methyl)}

    def weakness(index: int) -> tuple[bool, bool, bool, int]:
        has_hydrogen = molecule.GetAtomWithIdx(index).GetTotalNumHs() > 0
        return index in on_benzyl, not has_hydrogen, index not in on_methyl, ranks[index]

    distances = Chem.GetDistanceMatrix(molecule)
    chosen: list[int] = []
    for index in sorted(amines, key=weakness):
        if all(distances[index, other] > 3 for other in chosen):
            chosen.append(index)
    return sorted(chosen)
