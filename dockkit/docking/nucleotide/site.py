"""The ATP site of a receptor: its heavy atoms, and the annotated residues among them."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from dockkit.core.errors import DockingError, StructureError
from dockkit.core.geometry import unit_vector
from dockkit.core.model import FloatArray, IntArray, Kinase, Receptor

SITE_RADIUS: Final = 15.0
"""Angstrom around the hinge and the DFG Asp: protein atoms that the placement sees."""

DECIMALS: Final = 5
"""Of coordinates in the site's own frame, Angstrom; PDB files have three."""

ACID: Final = ("OD1", "OD2", "OE1", "OE2")
LOOP_OXYGEN: Final = ("OD1", "OE1", "OD2", "OG", "OG1")
"""Side-chain oxygens of the residue at HRD Asp + 5, Asn in nearly every kinase, that hold the second metal."""

CARBOXYLATES: Final = ("ASP", "GLU")


def _frame(origin: FloatArray, along: FloatArray, aside: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the axes (rows) and the origin of the frame that three atoms span."""
    x = unit_vector(along - origin)
    z = unit_vector(np.cross(x, aside - origin))
    return np.array([x, np.cross(z, x), z]), np.array(origin)


class Site:
    """Heavy atoms of the ATP site and the annotated ones among them, in a frame of the site's own.

    In this frame a receptor that was turned and shifted is the same to ``DECIMALS``, and so are its placements.

    Parameters
    ----------
    receptor : Receptor
    kinase : Kinase
    ligand_name : str
        For messages.

    Raises
    ------
    DockingError
        A landmark is not annotated, missing, or replaced by a residue that cannot do its part; the message says which.
    """

    def __init__(self, receptor: Receptor, kinase: Kinase, ligand_name: str) -> None:
        self.receptor, self.kinase, self.ligand_name = receptor, kinase, ligand_name
        self._check_annotation()
        nitrogen = self._atom(kinase.hinge_middle, "N", "the middle of the hinge")
        alpha = self._atom(kinase.dfg_aspartate, "CA", "the DFG Asp")
        self._check_residues()
        oxygen = self._atom(kinase.hinge_middle - 2, "O", "the hinge")
        self._turn, self._origin = _frame(*receptor.coordinates[[nitrogen, alpha, oxygen]])
        receptor = dataclasses.replace(receptor, coordinates=np.round(self.into(receptor.coordinates), DECIMALS))
        self.receptor = receptor
        near = np.linalg.norm(receptor.coordinates - receptor.coordinates[[nitrogen, alpha]].mean(axis=0), axis=1)
        self.index = np.flatnonzero((near < SITE_RADIUS) & (receptor.elements != "H"))
        self.coordinates = receptor.coordinates[self.index]
        self.elements = receptor.elements[self.index]

    def into(self, coordinates: FloatArray) -> FloatArray:
        """Return coordinates of the receptor's frame in the site's own, Angstrom."""
        return np.asarray((coordinates - self._origin) @ self._turn.T)

    def back(self, coordinates: FloatArray) -> FloatArray:
        """Return coordinates of the site's own frame in the receptor's, Angstrom."""
        return np.asarray(coordinates @ self._turn + self._origin)

    def _refusal(self, why: str) -> DockingError:
        return DockingError(f"{self.receptor.name} cannot hold {self.ligand_name}: {why}")

    def _check_annotation(self) -> None:
        k = self.kinase
        landmarks = {
            "hinge": k.hinge_middle, "catalytic Lys": k.catalytic_lysine, "HRD Asp": k.hrd_aspartate,
            "DFG Asp": k.dfg_aspartate,
        }  # fmt: skip
        missing = [name for name, number in landmarks.items() if not number]
        if missing:
            raise self._refusal(
                f"{k.gene} has no {', no '.join(missing)} by its annotation (a pseudokinase, or a kinase of another "
                "fold), so there is nothing to place the nucleotide on; dock it instead"
            )

    def _check_residues(self) -> None:
        """Refuse a site whose metal- or phosphate-binding residues are others than catalysis needs."""
        k = self.kinase
        roles = (
            (k.dfg_aspartate, CARBOXYLATES, "the DFG Asp", "has no carboxylate to bind the metals"),
            (k.catalytic_lysine, ("LYS", "ARG"), "the catalytic Lys", "does not hold the phosphates"),
        )
        for number, wanted, role, fault in roles:
            name = self.residue_name(number)
            if name in wanted:
                continue
            native = k.sequence[number - 1 : number]
            code = {"D": "ASP", "E": "GLU", "K": "LYS", "R": "ARG"}.get(native, "")
            advice = (
                f"the structure is mutated there; build the wild-type {native}{number} first (dockkit mutate)"
                if code in wanted
                else f"{k.gene} has {native or 'another residue'} there, as pseudokinases do"
            )
            raise self._refusal(f"residue {number}, the place of {role}, is {name} and {fault}: {advice}")

    def residue_name(self, number: int) -> str:
        """Return the three-letter name of a residue."""
        return str(self.receptor.residue_names[self._residue(number)])

    def _residue(self, number: int, role: str = "") -> int:
        try:
            return self.receptor.residue_index(number)
        except StructureError as error:
            raise self._refusal(f"{f'{role}: ' if role else ''}{error}") from error

    def _atom(self, number: int, name: str, role: str = "") -> int:
        found = self._atoms(number, (name,), role)
        if not found:
            raise self._refusal(
                f"residue {number} of {self.kinase.gene} has no atom {name}; it may lie in a missing loop or be mutated"
            )
        return found[0]

    def _atoms(self, number: int, names: tuple[str, ...], role: str = "") -> list[int]:
        residue = self._residue(number, role)
        return [a for a in self.receptor.atom_indices(residue).tolist() if self.receptor.atom_names[a] in names]

    def local(self, number: int, *names: str) -> IntArray:
        """Return the indices among the site atoms of the named atoms of a residue; empty where there is none."""
        if not number or not (self.receptor.uniprot_numbers == number).any():
            return self.index[:0]
        return np.flatnonzero(np.isin(self.index, self._atoms(number, names)))

    def labels(self, atoms: IntArray) -> list[tuple[str, str, str]]:
        """Return residue label, residue name and atom name of site atoms; numbers are UniProt's where there is one."""
        out = []
        for atom in self.index[atoms].tolist():
            residue = int(self.receptor.atom_residue[atom])
            name = str(self.receptor.residue_names[residue])
            number = int(self.receptor.uniprot_numbers[residue])
            own = f"{self.receptor.chain_ids[residue]}:{self.receptor.author_numbers[residue]}"
            out.append((f"{name} {number or own}", name, str(self.receptor.atom_names[atom])))
        return out

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

    def metal_places(self) -> FloatArray:
        """Where the first and the second metal are expected, (2, 3) Angstrom."""
        xyz = self.coordinates
        acid = self.local(self.kinase.dfg_aspartate, *ACID)
        roots = ("CG",) if self.residue_name(self.kinase.dfg_aspartate) == "ASP" else ("CD",)
        root = self.receptor.coordinates[self._atom(self.kinase.dfg_aspartate, roots[0])]
        if len(acid) < 2:
            raise self._refusal(f"residue {self.kinase.dfg_aspartate}, the DFG Asp, lacks oxygens of its carboxylate")
        first = root + 2.5 * unit_vector(xyz[acid].mean(axis=0) - root)
        loop = self.local(self.kinase.hrd_aspartate + 5, *LOOP_OXYGEN)
        if not len(loop):
            return np.array([first, first + 3.4 * unit_vector(xyz[acid[0]] - root)])
        pairs = [(float(np.linalg.norm(xyz[a] - xyz[b])), a, b) for a in acid for b in loop]
        _, a, b = min(pairs)
        return np.array([first, 0.5 * (xyz[a] + xyz[b])])
