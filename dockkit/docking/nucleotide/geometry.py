"""Whether a nucleotide stands in a kinase as crystals show it: its contacts and the coordination of its metals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from dockkit.core.model import FloatArray, Ligand
from dockkit.docking.nucleotide.parts import GREEK, Nucleotide
from dockkit.docking.nucleotide.site import ACID, Site

COORDINATION: Final = (1.9, 2.4)
"""Angstrom: Mg-O of a bound oxygen; 2.07 on average in crystals (Harding, Acta Cryst. D 2006, 62, 678)."""

COORDINATION_NUMBER: Final = 6
"""Mg2+ is octahedral; places that neither protein nor phosphate takes are water's."""

HYDROGEN_BOND: Final = 3.5
SALT_BRIDGE: Final = 4.0
"""Angstrom, Lys N to phosphate O (Barlow & Thornton, J. Mol. Biol. 1983, 168, 867)."""

LOOP_CONTACT: Final = 4.5
"""Angstrom, phosphate O to main-chain N of the glycine-rich loop: 2.8 where it is closed over the phosphates (PDB
1ATP), 4.2 to 4.5 where it is open (2ITV, 2ITX)."""

FIRST_SHELL_OVERLAP: Final = 1.0
"""Angstrom: deepest overlap of a heavy atom with the protein."""


@dataclass(frozen=True, slots=True)
class MetalShell:
    """Oxygens around one metal ion.

    Parameters
    ----------
    place : str
        ``M1`` (beta and gamma phosphate) or ``M2`` (alpha and gamma).
    protein, phosphate, water : int
        Oxygens within ``COORDINATION``, of each kind; ``water`` are those kept in the receptor.
    shortest : float
        Distance to the nearest oxygen, Angstrom.
    asp : float
        To the nearest carboxylate oxygen of the DFG Asp, Angstrom.
    bound : tuple of str
        Names of the oxygens, such as ``ASP 184 OD1`` or ``beta phosphate``.
    """

    place: str
    protein: int
    phosphate: int
    water: int
    shortest: float
    asp: float
    bound: tuple[str, ...]

    @property
    def count(self) -> int:
        """Oxygens bound."""
        return self.protein + self.phosphate + self.water

    @property
    def open_places(self) -> int:
        """Places of the octahedron left to water that is not modelled."""
        return max(COORDINATION_NUMBER - self.count, 0)


@dataclass(frozen=True, slots=True)
class NucleotideGeometry:
    """Figures of a nucleotide in its site, distances in Angstrom, NaN where an atom is missing.

    Parameters
    ----------
    hinge_n6 : float
        N6 to the main-chain O of gatekeeper + 1.
    hinge_n1 : float
        N1 to the main-chain N of gatekeeper + 3.
    lysine : float
        Nearest phosphate O to the side-chain N of the catalytic Lys.
    loop : float
        Nearest phosphate O to a main-chain N of the glycine-rich loop.
    metals : tuple of MetalShell
    overlap : float
        Deepest overlap of a heavy atom with the protein.
    """

    hinge_n6: float
    hinge_n1: float
    lysine: float
    loop: float
    metals: tuple[MetalShell, ...]
    overlap: float

    @property
    def checks(self) -> tuple[tuple[str, float, bool], ...]:
        """Name, figure and whether it is as in crystals."""
        found = [
            ("N6 - hinge O", self.hinge_n6, self.hinge_n6 <= HYDROGEN_BOND),
            ("N1 - hinge N", self.hinge_n1, self.hinge_n1 <= HYDROGEN_BOND),
            ("phosphate - Lys", self.lysine, self.lysine <= SALT_BRIDGE),
            ("phosphate - glycine-rich loop", self.loop, self.loop <= LOOP_CONTACT),
            ("deepest overlap", self.overlap, self.overlap <= FIRST_SHELL_OVERLAP),
        ]
        for shell in self.metals:
            own = shell.protein >= 1 and shell.phosphate >= 2 and shell.count <= COORDINATION_NUMBER
            good = own and shell.shortest >= COORDINATION[0] and shell.asp <= COORDINATION[1]
            found.append((f"{shell.place} oxygens", float(shell.count), good))
        return tuple(found)

    @property
    def failed(self) -> tuple[str, ...]:
        """Checks that are not as in crystals, in words."""
        return tuple(
            f"{name} {value:.1f} A" if "oxygens" not in name else f"{name} {value:.0f}"
            for name, value, good in self.checks
            if not good
        )

    @property
    def features(self) -> tuple[tuple[str, float], ...]:
        """All figures as descriptors of a pose."""
        found = [(name, value) for name, value, _ in self.checks]
        for shell in self.metals:
            found += [
                (f"{shell.place} - DFG Asp", shell.asp),
                (f"{shell.place} protein oxygens", float(shell.protein)),
                (f"{shell.place} phosphate oxygens", float(shell.phosphate)),
                (f"{shell.place} places left to water", float(shell.open_places)),
            ]
        return (*found, ("checks failed", float(len(self.failed))))

    @property
    def statement(self) -> str:
        """The figures in a sentence or two."""
        metals = "; ".join(
            f"{shell.place} holds {', '.join(shell.bound) or 'no oxygen'} and leaves {shell.open_places} of "
            f"{COORDINATION_NUMBER} places to water"
            for shell in self.metals
        )
        verdict = f"not as in crystals: {', '.join(self.failed)}" if self.failed else "all as in crystals"
        return (
            f"N6 {self.hinge_n6:.1f} A and N1 {self.hinge_n1:.1f} A from the hinge, phosphate {self.lysine:.1f} A from "
            f"the catalytic Lys and {self.loop:.1f} A from the glycine-rich loop; {metals}; deepest overlap with the "
            f"protein {self.overlap:.1f} A; {verdict}."
        )


def measure(
    site: Site,
    parts: Nucleotide,
    ligand: Ligand,
    coordinates: FloatArray,
    arrangement: tuple[str, ...],
    overlap: float,
) -> NucleotideGeometry:
    """Measure a placed nucleotide.

    Parameters
    ----------
    site : Site
    parts : Nucleotide
    ligand : Ligand
    coordinates : (n_atoms, 3) float
        Of the ligand, Angstrom.
    arrangement : tuple of str
        Place of each metal.
    overlap : float
        Deepest overlap with the protein, Angstrom.

    Returns
    -------
    NucleotideGeometry
    """
    k = site.kinase
    oxygens = [i for group in parts.phosphates for i in group]
    loop = np.concatenate([site.local(number, "N") for number in k.pocket[3:9]] or [site.index[:0]])

    def nearest(own: list[int], atoms: FloatArray) -> float:
        return float(cdist(coordinates[own], atoms).min()) if len(atoms) else float("nan")

    return NucleotideGeometry(
        hinge_n6=nearest([parts.atoms["N6"]], site.coordinates[site.local(k.hinge_middle - 2, "O")]),
        hinge_n1=nearest([parts.atoms["N1"]], site.coordinates[site.local(k.hinge_middle, "N")]),
        lysine=nearest(oxygens, site.coordinates[site.local(k.catalytic_lysine, "NZ", "NH1", "NH2")]),
        loop=nearest(oxygens, site.coordinates[loop]),
        metals=tuple(
            _shell(site, parts, ligand, coordinates, metal, place)
            for metal, place in zip(parts.metals, arrangement, strict=True)
        ),
        overlap=overlap,
    )


def _shell(
    site: Site, parts: Nucleotide, ligand: Ligand, coordinates: FloatArray, metal: int, place: str
) -> MetalShell:
    ion = coordinates[[metal]]
    theirs = np.flatnonzero(site.elements == "O")
    far = cdist(ion, site.coordinates[theirs])[0]
    near = (far >= COORDINATION[0]) & (far <= COORDINATION[1])
    labels = site.labels(theirs[near])
    water = sum(name == "HOH" for _, name, _ in labels)
    ours = np.flatnonzero(ligand.elements == "O")
    own = cdist(ion, coordinates[ours])[0]
    held = ours[(own >= COORDINATION[0]) & (own <= COORDINATION[1])].tolist()
    groups = {i: f"{GREEK[k]} phosphate" for k, group in enumerate(parts.phosphates) for i in group}
    acid = site.coordinates[site.local(site.kinase.dfg_aspartate, *ACID)]
    return MetalShell(
        place=place,
        protein=len(labels) - water,
        phosphate=len(held),
        water=water,
        shortest=float(min(far.min(initial=np.inf), own.min(initial=np.inf))),
        asp=float(cdist(ion, acid).min()),
        bound=(*(f"{label} {atom}" for label, _, atom in labels), *(groups.get(i, "the ribose") for i in held)),
    )
