"""A small invented study for tests of the report: a spiral of residues around real inhibitors, made-up energies."""

from __future__ import annotations

import functools
import math

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem

from dockkit.core.model import (
    ComplexState,
    DynamicsComparison,
    Estimate,
    Kinase,
    Ligand,
    LigandEntry,
    Pose,
    Receptor,
    ResistanceRow,
    RowDetail,
    StudyResult,
    Substitution,
    Variant,
)

NAN = float("nan")
FIRST = 290
NAMES = ("ALA", "LEU", "THR", "PHE", "GLY", "MET", "ASP", "LYS", "VAL", "GLU")
MOLECULES = {
    "imatinib": ("Cc1ccc(cc1Nc2nccc(n2)c3cccnc3)NC(=O)c4ccc(cc4)C[NH+]5CCN(CC5)C", "II", True, ""),
    "dasatinib": ("Cc1cccc(c1NC(=O)c2cnc(s2)Nc3cc(nc(n3)C)N4CCN(CC4)CCO)Cl", "I", True, ""),
    "ponatinib": ("Cc1ccc(cc1C#Cc2cnc3n2nccc3)C(=O)Nc4ccc(c(c4)C(F)(F)F)C[NH+]5CCN(CC5)C", "II", True, ""),
    "asciminib": ("O=C(Nc1ccc(OC(F)(F)Cl)cc1)c1cnc(N2CC[C@@H](O)C2)c(-c2ccn[nH]2)c1", "IV", False, ""),
    "ibrutinib": ("C=CC(=O)N1CCC[C@H](C1)n2c3c(c(n2)c4ccc(cc4)Oc5ccccc5)c(ncn3)N", "I", True, "CYS481"),
    "axitinib": ("CNC(=O)c1ccccc1Sc2ccc3c(c2)[nH]nc3/C=C/c4ccccn4", "I", True, ""),
}
ATP_SMILES = "[Mg+2].[Mg+2].Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(=O)([O-])OP(=O)([O-])OP(=O)([O-])[O-])[C@@H](O)[C@H]1O"


def kinase() -> Kinase:
    """Return an invented kinase whose landmarks lie on the spiral."""
    return Kinase("ABL1", "P00519", "made up", "A" * 500, (290, 330), 315, 297, 300, 318, 306, 322)


@functools.cache
def ligand(name: str) -> Ligand:
    """Return one of the molecules, embedded with a fixed seed around the origin."""
    smiles, binding, competitive, covalent = MOLECULES.get(name, (ATP_SMILES, "nucleotide", True, ""))
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    assert AllChem.EmbedMolecule(molecule, randomSeed=7) == 0
    xyz = molecule.GetConformer().GetPositions()
    return Ligand(
        name=name,
        smiles=Chem.MolToSmiles(Chem.RemoveHs(molecule)),
        mol_block=Chem.MolToMolBlock(molecule),
        elements=[atom.GetSymbol() for atom in molecule.GetAtoms()],
        formal_charges=[atom.GetFormalCharge() for atom in molecule.GetAtoms()],
        coordinates=xyz - xyz.mean(axis=0),
        entry=LigandEntry(name, smiles, ("ABL1", "KIT"), "1", binding, competitive, covalent, "approved"),
    )


def receptor(site_name: str = "THR", shift: float = 0.0) -> Receptor:
    """Return 40 residues on a spiral around the origin; 315 is ``site_name``, its side chain moved by ``shift``."""
    rng = np.random.default_rng(1)
    names, elements, owner, xyz = [], [], [], []
    residue_names = [NAMES[i % len(NAMES)] for i in range(40)]
    residue_names[315 - FIRST] = site_name
    for index in range(40):
        angle, height = 0.42 * index, 0.45 * index - 9.0
        outward = np.array([math.cos(angle), math.sin(angle), 0.0])
        along = np.array([-math.sin(angle), math.cos(angle), 0.1])
        alpha = 8.5 * outward + np.array([0.0, 0.0, height])
        atoms = [
            ("N", "N", alpha - 1.2 * along),
            ("H", "H", alpha - 1.2 * along - outward),
            ("CA", "C", alpha),
            ("C", "C", alpha + 1.3 * along),
            ("O", "O", alpha + 1.3 * along + 1.2 * outward),
            ("CB", "C", alpha - 1.5 * outward),
            ("CG", "C", alpha - 2.7 * outward + rng.normal(0.0, 0.2, 3)),
        ]
        if index == 315 - FIRST:
            atoms.append(
                ("CD1" if site_name == "ILE" else "OG1", "C" if site_name == "ILE" else "O", alpha - 3.9 * outward)
            )
            atoms = [(n, e, p + shift if n[1:2] in ("B", "G", "D") else p) for n, e, p in atoms]
        for name, element, position in atoms:
            names.append(name)
            elements.append(element)
            owner.append(index)
            xyz.append(position)
    return Receptor(
        name="abl1-synthetic", kinase="ABL1", uniprot="P00519", source="model", modelled=False,
        atom_names=names, elements=elements, atom_residue=owner, coordinates=xyz, residue_names=residue_names,
        chain_ids=["A"] * 40, insertion_codes=[""] * 40, author_numbers=np.arange(40) + FIRST + 19,
        uniprot_numbers=np.arange(40) + FIRST, segments=[0] * 25 + [1] * 15,
    )  # fmt: skip


def state(name: str, which: str, mutation: str, seed: int) -> ComplexState:
    """Return one state whose per-residue terms and desolvation add up to the mean of its starts."""
    rng = np.random.default_rng(seed)
    protein = receptor("THR" if which == "wild-type" else "ILE", 0.0 if which == "wild-type" else 0.4)
    terms = rng.normal((-50.0, -20.0, 30.0, -5.0, 1.0), 1.0, (3, 5))
    per_residue = rng.normal(-0.5, 0.6, (protein.n_residues, 3))
    rest = terms.sum(axis=1).mean() - per_residue.sum()
    return ComplexState(
        which, "wild-type" if which == "wild-type" else mutation, protein, name, ligand(name).coordinates, terms,
        per_residue, rest, tuple(f"rotamer {i + 1}, seed {seed}" for i in range(3)), ("minimisation stopped early",),
    )  # fmt: skip


def dynamics(seed: int) -> DynamicsComparison:
    """Return invented dynamics: two replicas of 20 frames."""
    rng = np.random.default_rng(seed)
    time = np.arange(20) * 0.5
    walks = [0.6 + np.abs(np.cumsum(rng.normal(0, 0.08, (2, 20)), axis=1)) for _ in range(4)]
    residues = np.arange(305, 325)
    base = 0.35 + 0.15 * rng.random(20)
    return DynamicsComparison(
        time, *walks, residues, [f"X{n}" for n in residues], base, base + 0.1 * rng.random(20),
        Estimate(0.9, 0.1, 2), Estimate(0.4, 0.1, 2), Estimate(1.2, 0.6, 2), 10.0, (),
    )  # fmt: skip


def detail(name: str, value: float, call: str, mutation: str = "T315I", rank: int = 0, **changes: object) -> RowDetail:
    """Return one finished row."""
    atp = -0.9
    effective = value if name in ("asciminib", "ATP.Mg") else value - atp
    seed = sum(map(ord, name + mutation)) % 97
    row = {
        "ddg_inhibitor_kcal_mol": value, "ddg_inhibitor_sem": 0.3, "ddg_atp_kcal_mol": atp, "ddg_atp_sem": 0.2,
        "ddg_effective_kcal_mol": effective, "ddg_effective_sem": 0.36, "fold_change": math.exp(effective / 0.5925),
        "fold_change_low": math.exp((effective - 0.36) / 0.5925),
        "fold_change_high": math.exp((effective + 0.36) / 0.5925),
        "call": call, "reason": "inhibitor half: loses the hydrogen bond to residue 315", "rank": rank,
        "binding_type": ligand(name).entry.binding_type, "pose_engine": "vina", **changes,
    }  # fmt: skip
    number = int(mutation[1:-1])
    return RowDetail(
        ResistanceRow("ABL1", "P00519", "abl1-synthetic", mutation, name, **row),
        ligand(name),
        Pose(name, "abl1-synthetic", ligand(name).coordinates, "vina", -9.1, reason="two hinge hydrogen bonds"),
        state(name, "wild-type", mutation, seed),
        state(name, "mutant", mutation, seed + 1),
        dynamics(seed),
        Variant((Substitution(number, mutation[0], mutation[-1]),)),
    )


def failed(name: str, message: str, mutation: str = "T315I") -> RowDetail:
    """Return a row whose task failed."""
    row = ResistanceRow("ABL1", "P00519", "abl1-synthetic", mutation, name, status="failed", message=message)
    return RowDetail(row, ligand(name))


def study(mutations: tuple[str, ...] = ("T315I",), **changes: object) -> StudyResult:
    """Return a study of six inhibitors: one failed, one modelled, one covalent, one not ATP-competitive."""
    rows: list[RowDetail] = []
    for mutation in mutations:
        rows += [
            detail("imatinib", 3.1, "lost", mutation, 4),
            detail("dasatinib", 2.2, "lost", mutation, 3, modelled_structure=True),
            detail("ponatinib", -0.4, "kept", mutation, 2),
            detail("asciminib", 0.1, "kept", mutation, 1),
            failed("ibrutinib", "docking: no pose within the box <b>& no way on</b>; make box_size larger", mutation),
            detail("axitinib", -2.4, "gained", mutation, 0),
        ]
    fields: dict[str, object] = {
        "name": "synthetic", "title": "A synthetic study", "question": "Which inhibitors are lost?", "kinase": kinase(),
        "numbering": "uniprot", "rows": tuple(rows), "atp": tuple(detail("ATP.Mg", -0.9, "", m) for m in mutations),
        "atp_concentration_mm": 2.0, "temperature_kelvin": 298.15, "warnings": ("a <script>alert(1)</script> warning",),
        "provenance": (("dockkit", "0.1.0"), ("relax.n_starts", "3"), ("seed", "2026")), **changes,
    }  # fmt: skip
    return StudyResult(**fields)
