"""ATP or ADP with magnesium, placed on the annotated residues of a kinase.

The nucleotide stands the same way in every active kinase [1]_ [2]_ [3]_: the adenine N6-H bonds to the backbone O of
gatekeeper + 1 and N1 accepts from the backbone N-H of gatekeeper + 3; the ribose hydroxyls lie near gatekeeper + 7 and
the backbone O of the catalytic loop (HRD Asp + 4); the catalytic Lys holds the alpha and beta phosphates and the tip of
the glycine-rich loop the beta and gamma phosphates. One metal (M1) bridges the beta and gamma phosphates and both
oxygens of the DFG Asp; the other (M2) the alpha and gamma phosphates, one oxygen of the DFG Asp and the Asn at
HRD Asp + 5. These are restraints with flat bottoms; clashes with the rigid protein are penalised; rigid body, torsions
and metals are refined from many random starts of several ring puckers, and the best is checked.

References
----------
.. [1] Zheng et al., Biochemistry 1993, 32, 2154 (1ATP: distances of both metals, Lys, loop and ribose).
.. [2] Adams, Chem. Rev. 2001, 101, 2271 (metals and loops of protein kinases).
.. [3] Bossemeyer et al., EMBO J. 1993, 12, 849 (nucleotide and glycine-rich loop).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from scipy.optimize import minimize

from dockkit.core.errors import DockingError, StructureError
from dockkit.core.geometry import superposition, unit_vector
from dockkit.core.model import FloatArray, IntArray, Kinase, Ligand, Pose, Receptor
from dockkit.docking.molecule import embed, ligand_mol
from dockkit.docking.restraints import Clashes, Restraint, energy_and_gradient, restraint_distance
from dockkit.docking.torsions import TorsionTree

NUCLEOSIDE: Final = Chem.MolFromSmarts("[NH2]c1ncnc2c1ncn2C3OC(C[OX2]P)C([OH])C3[OH]")
"""Adenosine with a phosphate; the atoms match ``NUCLEOSIDE_NAMES`` in order."""

NUCLEOSIDE_NAMES: Final = tuple(
    "N6 C6 N1 C2 N3 C4 C5 N7 C8 N9 C1' O4' C4' C5' O5' PA C3' O3' C2' O2'".split()  # noqa: SIM905
)

ADENINE: Final = ("N6", "C6", "N1", "C2", "N3", "C4", "C5", "N7", "C8", "N9")

SITE_RADIUS: Final = 15.0
"""Angstrom around the hinge and the DFG Asp: protein atoms that the placement sees."""

N_CONFORMERS: Final = 6
"""Ring puckers and bond angles tried."""

N_SAMPLES: Final = 1500
"""Random torsion sets, of which the best start a refinement."""

N_STARTS: Final = 24
"""Refinements."""

MAX_HINGE: Final = 3.6
"""Angstrom: N1 and N6 to the hinge in an accepted placement."""

MAX_METAL: Final = 3.2
"""Angstrom: metal to the DFG Asp and to each phosphate it bridges in an accepted placement."""

MAX_OVERLAP: Final = 1.0
"""Angstrom: deepest overlap of a heavy atom with the protein in an accepted placement."""


@dataclass(frozen=True, slots=True)
class Nucleotide:
    """Atom indices of a nucleotide with its metals in the ligand record.

    Parameters
    ----------
    atoms : dict
        Name (as in PDB het code ATP) to index.
    phosphates : tuple of (n,) int
        Non-bridging oxygens of the alpha, beta (and gamma) phosphate.
    metals : tuple of int
    bonds : tuple of (int, int)
        Rotatable bonds, from the base outward.
    """

    atoms: dict[str, int]
    phosphates: tuple[tuple[int, ...], ...]
    metals: tuple[int, ...]
    bonds: tuple[tuple[int, int], ...]


def place_atp(receptor: Receptor, ligand: Ligand, kinase: Kinase, seed: int) -> Pose:
    """Place ATP (or ADP) with one or two metals into the active site.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present, UniProt numbers set, DFG-in.
    ligand : Ligand
        One record: the nucleotide, and Mg2+ as further fragments.
    kinase : Kinase
        Landmarks.
    seed : int
        The same seed gives the same pose.

    Returns
    -------
    Pose
        engine ``placed``; score is the restraint and clash energy (arbitrary units, lower is better); features hold
        the distances in Angstrom.

    Raises
    ------
    DockingError
        The ligand is no adenosine phosphate, a landmark is missing, the structure is DFG-out, or no placement
        keeps the contacts without a clash; the message says which.
    """
    mol = ligand_mol(ligand)
    parts = find_nucleotide(mol, ligand.name)
    _refuse_inactive(receptor, ligand)
    site = _Site(receptor, kinase, ligand.name)
    restraints = site.restraints(parts)
    heavy = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    clashes = Clashes(mol, heavy, site.coordinates, site.elements)
    best: tuple[float, FloatArray] | None = None
    rng = np.random.default_rng(seed)
    trees = [_anchored_tree(mol, xyz, parts, site) for xyz in _conformers(mol, parts, seed)]
    for tree, start in _starts(trees, restraints, clashes, rng):
        energy, xyz = _refine(tree, start, parts, restraints, clashes)
        if best is None or energy < best[0]:
            best = energy, xyz
    if best is None:
        raise DockingError(f"{ligand.name}: no conformer of the nucleotide could be made")
    coordinates = _turn_hydroxyls(mol, best[1], site.coordinates)
    distances = {r.label: restraint_distance(r, coordinates, site.coordinates) for r in restraints}
    overlap = clashes.deepest(coordinates)
    _check(distances, overlap, receptor, ligand)
    return Pose(
        ligand=ligand.name,
        receptor=receptor.name,
        coordinates=coordinates,
        engine="placed",
        score=best[0],
        features=(*distances.items(), ("deepest overlap", overlap)),
        reason="placed on the hinge, the catalytic Lys, the DFG Asp and the catalytic-loop Asn, whose distances "
        f"to the nucleotide agree with kinase-ATP crystals; deepest overlap with the protein {overlap:.1f} A.",
    )


def find_nucleotide(mol: Chem.Mol, name: str) -> Nucleotide:
    """Recognise adenosine di- or triphosphate and its metals.

    Parameters
    ----------
    mol : rdkit.Chem.Mol
        Hydrogens explicit.
    name : str
        For messages.

    Returns
    -------
    Nucleotide

    Raises
    ------
    DockingError
        No adenosine, fewer than two phosphates, or no metal or more than two.
    """
    matches = mol.GetSubstructMatches(NUCLEOSIDE)
    metals = tuple(a.GetIdx() for a in mol.GetAtoms() if a.GetSymbol() in ("Mg", "Mn") and a.GetDegree() == 0)
    if len(matches) != 1:
        raise DockingError(f"{name}: not an adenosine phosphate; only ATP and ADP are placed, dock other ligands")
    atoms = dict(zip(NUCLEOSIDE_NAMES, matches[0], strict=True))
    bonds = [(atoms[a], atoms[b]) for a, b in (("N9", "C1'"), ("C4'", "C5'"), ("C5'", "O5'"), ("O5'", "PA"))]
    phosphates: list[tuple[int, ...]] = []
    phosphorus, came_from = atoms["PA"], atoms["O5'"]
    while True:
        around = [a for a in mol.GetAtomWithIdx(phosphorus).GetNeighbors() if a.GetIdx() != came_from]
        ends = [a.GetIdx() for a in around if a.GetSymbol() == "O" and _heavy_degree(a) == 1]
        bridges = [a for a in around if _heavy_degree(a) == 2]
        phosphates.append(tuple(ends))
        following = [
            (bridge.GetIdx(), b.GetIdx())
            for bridge in bridges
            for b in bridge.GetNeighbors()
            if b.GetSymbol() == "P" and b.GetIdx() != phosphorus
        ]
        if not following:
            break
        bridge, nearer = following[0][0], phosphorus
        bonds += [(nearer, bridge), (bridge, following[0][1])]
        came_from, phosphorus = following[0]
        atoms[f"P{'ABGDE'[len(phosphates)]}"] = phosphorus
    if not 2 <= len(phosphates) <= 3 or not 1 <= len(metals) <= 2:
        raise DockingError(
            f"{name}: {len(phosphates)} phosphates and {len(metals)} metal ions; "
            "ATP or ADP with one or two Mg2+ is needed"
        )
    return Nucleotide(atoms, tuple(phosphates), metals, tuple(bonds))


def _heavy_degree(atom: Chem.Atom) -> int:
    return sum(neighbour.GetAtomicNum() > 1 for neighbour in atom.GetNeighbors())


def _refuse_inactive(receptor: Receptor, ligand: Ligand) -> None:
    if receptor.conformation.dfg == "out":
        raise DockingError(
            f"{receptor.name} cannot hold {ligand.name}: it is DFG-out, so that the DFG Asp points away from the "
            "phosphates; use a DFG-in structure of this kinase"
        )


class _Site:
    """Heavy atoms of the active site and the annotated ones among them."""

    def __init__(self, receptor: Receptor, kinase: Kinase, ligand_name: str) -> None:
        self.receptor, self.kinase, self.ligand_name = receptor, kinase, ligand_name
        if not kinase.dfg_aspartate or not kinase.hrd_aspartate or not kinase.hinge_middle:
            raise DockingError(f"{kinase.gene}: hinge, HRD or DFG is not annotated; {ligand_name} cannot be placed")
        center = receptor.coordinates[
            [self._atom(kinase.hinge_middle, "N"), self._atom(kinase.dfg_aspartate, "CA")]
        ].mean(axis=0)
        near = np.linalg.norm(receptor.coordinates - center, axis=1) < SITE_RADIUS
        self.index = np.flatnonzero(near & (receptor.elements != "H"))
        self.coordinates = receptor.coordinates[self.index]
        self.elements = receptor.elements[self.index]

    def _atom(self, number: int, name: str) -> int:
        found = self._atoms(number, (name,))
        if not found:
            raise DockingError(
                f"{self.receptor.name} cannot hold {self.ligand_name}: residue {number} of {self.kinase.gene} has no "
                f"atom {name}; it may lie in a missing loop or be mutated"
            )
        return found[0]

    def _atoms(self, number: int, names: tuple[str, ...]) -> list[int]:
        try:
            residue = self.receptor.residue_index(number)
        except StructureError as error:
            raise DockingError(f"{self.receptor.name} cannot hold {self.ligand_name}: {error}") from error
        return [a for a in self.receptor.atom_indices(residue).tolist() if self.receptor.atom_names[a] in names]

    def local(self, number: int, *names: str) -> IntArray:
        """Return the indices among the site atoms of the named atoms of a residue; empty where there is none."""
        return np.flatnonzero(np.isin(self.index, self._atoms(number, names))) if number else self.index[:0]

    def hinge_frame(self) -> FloatArray:
        """Where N1, N6 and C4 of the adenine are wanted, (3, 3) Angstrom."""
        xyz, middle = self.receptor.coordinates, self.kinase.hinge_middle
        nitrogen = xyz[self._atom(middle, "N")]
        previous = xyz[self._atom(middle - 1, "C")]
        alpha = xyz[self._atom(middle, "CA")]
        oxygen = xyz[self._atom(middle - 2, "O")]
        outward = -unit_vector(unit_vector(previous - nitrogen) + unit_vector(alpha - nitrogen))
        first = nitrogen + 2.95 * outward
        across = unit_vector((oxygen - nitrogen) - (oxygen - nitrogen) @ outward * outward)
        # In adenine N6 lies 2.3 A from N1, C4 2.7 A straight across the ring; the edge N1-N6 faces the hinge.
        return np.array([first, first + 2.2 * across - 0.6 * outward, first + 2.7 * outward])

    def metal_starts(self, n_metals: int) -> FloatArray:
        """Where the metals start, (n_metals, 3) Angstrom."""
        xyz = self.coordinates
        acid = self.local(self.kinase.dfg_aspartate, "OD1", "OD2", "OE1", "OE2")
        root = self.receptor.coordinates[self._atom(self.kinase.dfg_aspartate, "CG")]
        if len(acid) < 2:
            raise DockingError(
                f"{self.receptor.name} cannot hold {self.ligand_name}: residue {self.kinase.dfg_aspartate} (DFG Asp) "
                "has no carboxylate to bind the metals"
            )
        starts = [root + 2.5 * unit_vector(xyz[acid].mean(axis=0) - root)]
        loop = self.local(self.kinase.hrd_aspartate + 5, "OD1", "OD2", "OE1", "OG", "OG1")
        if len(loop):
            pairs = [(float(np.linalg.norm(xyz[a] - xyz[b])), a, b) for a in acid for b in loop]
            _, a, b = min(pairs)
            starts.append(0.5 * (xyz[a] + xyz[b]))
        else:
            starts.append(starts[0] + 3.4 * unit_vector(xyz[acid[0]] - root))
        return np.array(starts[:n_metals])

    def restraints(self, parts: Nucleotide) -> list[Restraint]:
        """All contacts of the nucleotide, with crystal distances in Angstrom."""
        k, gk1 = self.kinase, self.kinase.hinge_middle - 2

        def ligand(*names: str) -> IntArray:
            return np.array([parts.atoms[name] for name in names], dtype=np.int64)

        oxygens = [np.array(group, dtype=np.int64) for group in parts.phosphates]
        alpha, beta, last = oxygens[0], oxygens[1], oxygens[-1]
        acid = ("OD1", "OD2", "OE1", "OE2")
        wanted = [
            Restraint("N6 - hinge gatekeeper+1 O", ligand("N6"), self.local(gk1, "O"), 2.7, 3.1, 20.0),
            Restraint("N1 - hinge gatekeeper+3 N", ligand("N1"), self.local(k.hinge_middle, "N"), 2.7, 3.2, 20.0),
            Restraint("C2 - hinge gatekeeper+3 O", ligand("C2"), self.local(k.hinge_middle, "O"), 3.0, 3.8, 5.0),
            Restraint("alpha phosphate - Lys", alpha, self.local(k.catalytic_lysine, "NZ"), 2.5, 3.2, 2.0),
            Restraint("beta phosphate - Lys", beta, self.local(k.catalytic_lysine, "NZ"), 2.5, 3.5, 2.0),
            Restraint("ribose - catalytic loop O", ligand("O3'"), self.local(k.hrd_aspartate + 4, "O"), 2.6, 4.0, 1.0),
        ]
        wanted += self._base_restraints(ligand)
        wanted += self._loop_restraints(beta, last)
        for metal, groups in zip(parts.metals, ((beta, last), (alpha, last)), strict=False):
            ion = np.array([metal], dtype=np.int64)
            first = metal == parts.metals[0]
            name = "M1" if first else "M2"
            for oxygen in self.local(k.dfg_aspartate, *acid) if first else [None]:
                atoms = self.local(k.dfg_aspartate, *acid) if oxygen is None else np.array([oxygen])
                wanted.append(Restraint(f"{name} - DFG Asp", ion, atoms, 2.0, 2.3, 20.0))
            labels = ("beta", "gamma") if first else ("alpha", "gamma")
            if len(oxygens) == 2:
                labels = ("beta", "beta") if first else ("alpha", "beta")
            for label, group in dict(zip(labels, groups, strict=True)).items():
                wanted.append(Restraint(f"{name} - {label} phosphate", ion, group, 2.0, 2.3, 20.0, internal=True))
            if not first:
                loop = self.local(k.hrd_aspartate + 5, "OD1", "OE1", "OG", "OG1", "OD2")
                wanted.append(Restraint("M2 - catalytic-loop Asn", ion, loop, 2.0, 2.3, 10.0))
        return [r for r in wanted if len(r.second)]

    def _base_restraints(self, ligand: Callable[..., IntArray]) -> list[Restraint]:
        """Plane and depth of the adenine: hinge carbonyl, gatekeeper, and the Ala roof two before the catalytic Lys."""
        k = self.kinase
        carbonyl = self.local(k.hinge_middle - 2, "O")
        roof = self.local(k.catalytic_lysine - 2, "CB") if k.catalytic_lysine else self.index[:0]
        return [
            Restraint("C6 - hinge gatekeeper+1 O", ligand("C6"), carbonyl, 3.6, 4.0, 5.0),
            Restraint("N6 - gatekeeper CA", ligand("N6"), self.local(k.gatekeeper, "CA"), 4.9, 5.5, 5.0),
            Restraint("C5 - roof Ala CB", ligand("C5"), roof, 3.6, 4.3, 5.0),
            Restraint("C4 - roof Ala CB", ligand("C4"), roof, 4.3, 5.1, 5.0),
        ]

    def _loop_restraints(self, beta: IntArray, last: IntArray) -> list[Restraint]:
        """Backbone N-H of the tip of the glycine-rich loop (KLIFS positions 7 to 9) to the phosphates."""
        if len(self.kinase.pocket) < 9:
            return []
        tip = [number for number in self.kinase.pocket[6:9] if number]
        present = [number for number in tip if (self.receptor.uniprot_numbers == number).any()]
        atoms = np.concatenate([np.zeros(0, dtype=np.int64), *(self.local(number, "N") for number in present)])
        both = np.concatenate([beta, last])
        return [Restraint("phosphates - glycine-rich loop N", both, atoms, 2.7, 3.6, 0.5)] if len(atoms) else []


def _conformers(mol: Chem.Mol, parts: Nucleotide, seed: int) -> list[FloatArray]:
    """Conformers of the nucleotide, minimised with damped charges; metals keep the record's coordinates."""
    body = next(f for f in Chem.GetMolFrags(mol) if parts.atoms["N9"] in f)
    fragment = next(
        m for m, f in zip(Chem.GetMolFrags(mol, asMols=True), Chem.GetMolFrags(mol), strict=True) if f == body
    )
    ids = embed(fragment, N_CONFORMERS, seed)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(fragment)
    if properties is not None:
        properties.SetMMFFDielectricConstant(80.0)
    result = []
    for conformer in ids:
        if properties is not None:
            rdForceFieldHelpers.MMFFGetMoleculeForceField(fragment, properties, confId=conformer).Minimize(maxIts=500)
        xyz = np.array(mol.GetConformer().GetPositions())
        xyz[list(body)] = fragment.GetConformer(conformer).GetPositions()
        result.append(xyz)
    return result


def _anchored_tree(mol: Chem.Mol, xyz: FloatArray, parts: Nucleotide, site: _Site) -> TorsionTree:
    anchor = [parts.atoms[name] for name in ("N1", "N6", "C4")]
    rotation, shift = superposition(xyz[anchor], site.hinge_frame())
    placed = np.asarray(xyz @ rotation + shift)
    placed[list(parts.metals)] = site.metal_starts(len(parts.metals))
    return TorsionTree(mol, placed, [parts.atoms[name] for name in ADENINE], parts.bonds)


def _starts(
    trees: list[TorsionTree], restraints: list[Restraint], clashes: Clashes, rng: np.random.Generator
) -> list[tuple[TorsionTree, FloatArray]]:
    """Return the best of many random torsion sets, (tree, variables) each."""
    scored = []
    for k in range(N_SAMPLES):
        tree = trees[k % len(trees)]
        variables = np.zeros(tree.n_variables)
        variables[3:6] = rng.normal(0.0, 0.1, 3)
        variables[6:] = rng.uniform(-np.pi, np.pi, tree.n_variables - 6)
        energy, _ = energy_and_gradient(restraints, clashes, tree.coordinates(variables), clashes.protein)
        scored.append((energy, k, tree, variables))
    scored.sort(key=lambda item: item[:2])
    return [(tree, variables) for _, _, tree, variables in scored[:N_STARTS]]


def _refine(
    tree: TorsionTree, start: FloatArray, parts: Nucleotide, restraints: list[Restraint], clashes: Clashes
) -> tuple[float, FloatArray]:
    """Minimise rigid body, torsions and metal positions together; returns energy and coordinates."""
    metals = list(parts.metals)
    n = tree.n_variables

    def coordinates(x: FloatArray) -> FloatArray:
        xyz = tree.coordinates(x[:n])
        xyz[metals] = x[n:].reshape(-1, 3)
        return xyz

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        xyz = coordinates(x)
        energy, gradient = energy_and_gradient(restraints, clashes, xyz, clashes.protein)
        return energy, np.concatenate([tree.gradient(x[:n], xyz, gradient), gradient[metals].ravel()])

    first = np.concatenate([start, tree.reference[metals].ravel()])
    result = minimize(objective, first, jac=True, method="L-BFGS-B", options={"maxiter": 150})
    return float(result.fun), coordinates(result.x)


def _turn_hydroxyls(mol: Chem.Mol, xyz: FloatArray, protein: FloatArray) -> FloatArray:
    """Turn every hydroxyl hydrogen to the freest of twelve directions."""
    result = xyz.copy()
    for hydrogen, oxygen, carbon in mol.GetSubstructMatches(Chem.MolFromSmarts("[H][OX2][CX4]")):
        tree = TorsionTree(mol, result, [carbon], [(carbon, oxygen)])
        others = np.delete(result, [hydrogen, oxygen, carbon], axis=0)
        around = np.concatenate([protein, others])
        options = []
        for angle in np.arange(12) * np.pi / 6.0:
            trial = tree.coordinates(np.concatenate([np.zeros(6), [angle]]))
            options.append((float(np.linalg.norm(around - trial[hydrogen], axis=1).min()), trial))
        result = max(options, key=lambda option: option[0])[1]
    return result


def _check(distances: dict[str, float], overlap: float, receptor: Receptor, ligand: Ligand) -> None:
    """Refuse a placement that lost its contacts."""
    lost = [
        f"{label} {d:.1f} A"
        for label, d in distances.items()
        if label.startswith(("N1 - hinge", "N6 - hinge")) and d > MAX_HINGE
    ]
    lost += [f"{label} {d:.1f} A" for label, d in distances.items() if label.startswith("M1") and d > MAX_METAL]
    if overlap > MAX_OVERLAP:
        lost.append(f"an overlap of {overlap:.1f} A with the protein")
    if lost:
        raise DockingError(
            f"{receptor.name} cannot hold {ligand.name}: the best placement has {'; '.join(lost)}. The glycine-rich "
            "loop may be closed or the DFG motif turned; use an active-like structure of this kinase"
        )
