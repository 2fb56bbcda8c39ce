"""What a kinase holds of ATP, as flat-bottomed distance restraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from dockkit.core.model import FloatArray, IntArray
from dockkit.docking.nucleotide.parts import Nucleotide
from dockkit.docking.nucleotide.site import ACID, LOOP_OXYGEN, Site
from dockkit.docking.restraints import Restraint

ARRANGEMENTS: Final = {2: (("M1", "M2"),), 1: (("M1",), ("M2",))}
"""Places of the metals that are tried, by their number. M1 bridges the beta and gamma phosphates, M2 the alpha and
gamma; a lone metal is seen at either place, by kinase and nucleotide."""

ADENINE_CONTACTS: Final = (
    ("N6", 46, "O", 2.7, 3.1, 20.0), ("N1", 48, "N", 2.6, 3.3, 20.0), ("C2", 48, "O", 3.0, 3.8, 5.0),
    ("C6", 46, "O", 3.6, 4.1, 5.0), ("C4", 46, "O", 6.0, 6.6, 5.0), ("C4", 48, "O", 4.9, 5.6, 5.0),
    ("N6", 45, "CA", 5.1, 5.6, 5.0), ("N1", 47, "CA", 3.7, 4.1, 5.0), ("C2", 47, "CA", 4.5, 4.9, 5.0),
    ("C6", 15, "CB", 3.4, 4.0, 5.0), ("C2", 15, "CB", 4.2, 5.1, 5.0), ("C5", 15, "CB", 3.6, 4.4, 5.0),
    ("N1", 77, "CB", 5.3, 5.8, 5.0), ("C4", 77, "CB", 5.6, 6.1, 5.0), ("N9", 77, "CB", 6.2, 6.7, 5.0),
    ("N7", 11, "CB", 4.6, 5.2, 5.0), ("C8", 11, "CB", 4.0, 4.8, 5.0),
)  # fmt: skip
"""Adenine atom, KLIFS position and atom, closest and farthest distance (Angstrom), weight."""


CONTACT: Final = 0.03
LOOP_BOND: Final = 0.6
"""Energy of a contact of any heavy atom, and of a phosphate oxygen with a main-chain N of the glycine-rich loop."""


def contacts(site: Site, parts: Nucleotide, arrangement: tuple[str, ...]) -> list[Restraint]:
    """Return all contacts of the nucleotide, with crystal distances in Angstrom.

    Parameters
    ----------
    site : Site
    parts : Nucleotide
    arrangement : tuple of str
        Place of each metal, ``M1`` or ``M2``.

    Returns
    -------
    list of Restraint
        Those whose residues are there.
    """
    wanted = [*_base(site, parts), *_ribose(site, parts), *_phosphates(site, parts)]
    for metal, place in zip(parts.metals, arrangement, strict=True):
        wanted += _metal(site, parts, metal, place)
    return [r for r in wanted if len(r.first) and len(r.second)]


def attraction(site: Site, parts: Nucleotide, atoms: Sequence[int]) -> FloatArray:
    """Return how strongly atoms of the nucleotide are drawn to each site atom, (n_atoms, n_site) energy of a contact.

    Parameters
    ----------
    site : Site
    parts : Nucleotide
    atoms : sequence of int
        Of the ligand.

    Returns
    -------
    (n_atoms, n_site) float
        ``LOOP_BOND`` for phosphate oxygens and N-H of the glycine-rich loop, else ``CONTACT``.
    """
    loop = [number for number in site.kinase.pocket[3:9] if number]
    residues = site.receptor.atom_residue[site.index]
    amide = (site.receptor.atom_names[site.index] == "N") & np.isin(site.receptor.uniprot_numbers[residues], loop)
    charged = np.isin(atoms, [i for group in parts.phosphates for i in group])
    return np.where(charged[:, None] & amide[None], LOOP_BOND, CONTACT)


def _indices(parts: Nucleotide, *names: str) -> IntArray:
    return np.array([parts.atoms[name] for name in names], dtype=np.int64)


def _base(site: Site, parts: Nucleotide) -> list[Restraint]:
    k = site.kinase
    numbers = dict(enumerate(k.pocket, start=1))
    numbers |= {45: k.gatekeeper, 46: k.hinge_middle - 2, 47: k.hinge_middle - 1, 48: k.hinge_middle}
    label = {46: "N6 - hinge gatekeeper+1 O", 48: "N1 - hinge gatekeeper+3 N"}
    return [
        Restraint(
            label[position] if weight > 10 else f"{atom} - {position} {name}", _indices(parts, atom),
            site.local(numbers.get(position, 0), name), low, high, weight,
        )
        for atom, position, name, low, high, weight in ADENINE_CONTACTS
    ]  # fmt: skip


def _ribose(site: Site, parts: Nucleotide) -> list[Restraint]:
    """Hydroxyls near the residue at gatekeeper + 7, by its side chain or main chain, or the catalytic-loop carbonyl."""
    k = site.kinase
    near = np.concatenate(
        [
            site.local(k.gatekeeper + 7, "N", "O", "OE1", "OE2", "OD1", "OD2", "OG", "OG1", "SG", "ND2", "NE2"),
            site.local(k.hrd_aspartate + 4, "O"),
        ]
    )
    return [Restraint("ribose - gatekeeper+7 or catalytic loop", _indices(parts, "O2'", "O3'"), near, 2.5, 4.0, 2.0)]


def _phosphates(site: Site, parts: Nucleotide) -> list[Restraint]:
    k = site.kinase
    oxygens = [np.array(group, dtype=np.int64) for group in parts.phosphates]
    amine = site.local(k.catalytic_lysine, "NZ", "NH1", "NH2")
    tip = [site.local(number, "N") for number in k.pocket[4:9]] or [amine[:0]]
    return [
        Restraint("phosphates - Lys", np.concatenate(oxygens[:2]), amine, 2.5, 3.2, 4.0),
        Restraint("phosphates - glycine-rich loop N", np.concatenate(oxygens), np.concatenate(tip), 2.7, 3.6, 0.5),
    ]


def _metal(site: Site, parts: Nucleotide, metal: int, place: str) -> list[Restraint]:
    k = site.kinase
    ion = np.array([metal], dtype=np.int64)
    oxygens = [np.array(group, dtype=np.int64) for group in parts.phosphates]
    acid = site.local(k.dfg_aspartate, *ACID)
    found: list[Restraint] = []
    if place == "M1":
        held = {"beta": oxygens[1], "gamma" if len(oxygens) == 3 else "beta ": oxygens[-1]}
        found += [Restraint("M1 - DFG Asp", ion, np.array([oxygen]), 2.0, 2.4, 20.0) for oxygen in acid]
    else:
        held = {"alpha": oxygens[0], "gamma" if len(oxygens) == 3 else "beta": oxygens[-1]}
        found.append(Restraint("M2 - DFG Asp", ion, acid, 2.0, 2.3, 20.0))
        loop = site.local(k.hrd_aspartate + 5, *LOOP_OXYGEN)
        found.append(Restraint("M2 - catalytic-loop Asn", ion, loop, 2.0, 2.4, 10.0))
    found += [
        Restraint(f"{place} - {name.strip()} phosphate", ion, group, 2.0, 2.3, 20.0, internal=True)
        for name, group in held.items()
    ]
    return found
