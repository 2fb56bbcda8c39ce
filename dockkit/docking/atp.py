"""ATP or ADP with magnesium, placed on the annotated residues of a kinase.

The nucleotide stands the same way in every active kinase [1]_ [2]_ [3]_: the adenine N6-H bonds to the backbone O of
gatekeeper + 1 and N1 accepts from the backbone N-H of gatekeeper + 3; the ribose hydroxyls lie near gatekeeper + 7 and
the backbone O of the catalytic loop (HRD Asp + 4); the catalytic Lys and the glycine-rich loop hold the phosphates. One
metal (M1) bridges the beta and gamma phosphates and both oxygens of the DFG Asp; the other (M2) the alpha and gamma
phosphates, one oxygen of the DFG Asp and the Asn at HRD Asp + 5. A lone metal is tried at both places. These are
restraints with flat bottoms; clashes with the rigid protein are penalised and contacts with its loop N-H
favoured; rigid body, torsions and metals are refined from many random starts of several ring puckers, and the best is
checked.

References
----------
.. [1] Zheng et al., Biochemistry 1993, 32, 2154 (1ATP: distances of both metals, Lys, loop and ribose).
.. [2] Adams, Chem. Rev. 2001, 101, 2271 (metals and loops of protein kinases).
.. [3] Bossemeyer et al., EMBO J. 1993, 12, 849 (nucleotide and glycine-rich loop).
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import DockingError
from dockkit.core.model import FloatArray, Kinase, Ligand, Pose, Receptor
from dockkit.docking.molecule import ligand_mol
from dockkit.docking.nucleotide.contacts import ARRANGEMENTS, attraction
from dockkit.docking.nucleotide.geometry import NucleotideGeometry, measure
from dockkit.docking.nucleotide.obstacles import SOFTENED, dfg_refusal, obstacles
from dockkit.docking.nucleotide.parts import Nucleotide, find_nucleotide
from dockkit.docking.nucleotide.search import Placement, search
from dockkit.docking.nucleotide.site import Site
from dockkit.docking.restraints import Clashes
from dockkit.docking.torsions import TorsionTree

__all__ = ["find_nucleotide", "measure_nucleotide", "place_atp", "with_metals"]

N_SAMPLES: Final = 1200
"""Random torsion sets tried for each arrangement of the metals."""

N_STARTS: Final = 20
"""Of these, how many of the best are refined."""

MAX_HINGE: Final = 3.6
"""Angstrom: N1 and N6 to the hinge in an accepted placement."""

MAX_METAL: Final = 3.2
"""Angstrom: metal to the DFG Asp in an accepted placement."""

MAX_OVERLAP: Final = 1.0
"""Angstrom: deepest overlap of a heavy atom with the protein in an accepted placement."""


def place_atp(receptor: Receptor, ligand: Ligand, kinase: Kinase, seed: int) -> Pose:
    """Place ATP (or ADP) with one or two metals into the active site.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present, UniProt numbers set, DFG-in.
    ligand : Ligand
        One record: the nucleotide, and one or two Mg2+ as further fragments.
    kinase : Kinase
        Landmarks.
    seed : int
        The same seed gives the same pose.

    Returns
    -------
    Pose
        engine ``placed``; score is the restraint, clash and contact energy (arbitrary units, lower is better);
        features hold distances in Angstrom and counts of the metals' oxygens, ``reason`` says which are as in crystals.

    Raises
    ------
    DockingError
        The ligand is no adenosine phosphate, a landmark is missing or replaced, the structure is DFG-out, or no
        placement keeps the contacts without a clash; the message says which, and what stands in the way.
    """
    mol = ligand_mol(ligand)
    parts = find_nucleotide(mol, ligand.name)
    if why := dfg_refusal(receptor):
        raise DockingError(f"{receptor.name} cannot hold {ligand.name}: {why}")
    site = Site(receptor, kinase, ligand.name)
    clashes = _clashes(mol, parts, site)
    best = _best(mol, parts, site, clashes, seed)
    coordinates = _turn_hydroxyls(mol, best.coordinates, site.coordinates)
    geometry = measure(site, parts, ligand, coordinates, best.arrangement, clashes.deepest(coordinates))
    if lost := _lost(geometry):
        soft = _best(mol, parts, site, _clashes(mol, parts, site, SOFTENED), seed)
        raise DockingError(_refusal(receptor, ligand, lost, obstacles(site, clashes, soft.coordinates)))
    return Pose(
        ligand=ligand.name,
        receptor=receptor.name,
        coordinates=site.back(coordinates),
        engine="placed",
        score=best.energy,
        features=geometry.features,
        reason=f"placed on the hinge, the catalytic Lys, the DFG Asp and the catalytic loop: {geometry.statement}",
    )


def with_metals(ligand: Ligand, n_metals: int) -> Ligand:
    """Return a nucleotide with fewer metal ions.

    Parameters
    ----------
    ligand : Ligand
        Such as ATP with two Mg2+.
    n_metals : int
        Wanted, 1 or 2.

    Returns
    -------
    Ligand
        The last ions are left out; the same record where nothing is.

    Raises
    ------
    DockingError
        The ligand is no nucleotide, or has fewer ions.
    """
    mol = ligand_mol(ligand)
    metals = find_nucleotide(mol, ligand.name).metals
    if not 1 <= n_metals <= len(metals):
        raise DockingError(
            f"{ligand.name}: it has {len(metals)} metal ions, {n_metals} asked for; give a nucleotide with {n_metals}"
        )
    if n_metals == len(metals):
        return ligand
    keep = np.delete(np.arange(ligand.n_atoms), metals[n_metals:])
    smaller = Chem.RWMol(mol)
    for atom in sorted(metals[n_metals:], reverse=True):
        smaller.RemoveAtom(atom)
    Chem.Kekulize(smaller, clearAromaticFlags=True)
    return dataclasses.replace(
        ligand,
        smiles=Chem.MolToSmiles(Chem.RemoveHs(smaller)),
        mol_block=Chem.MolToMolBlock(smaller),
        elements=ligand.elements[keep],
        formal_charges=ligand.formal_charges[keep],
        coordinates=ligand.coordinates[keep],
        notes=(*ligand.notes, f"{n_metals} of {len(metals)} metal ions modelled"),
    )


def measure_nucleotide(
    receptor: Receptor, ligand: Ligand, kinase: Kinase, coordinates: FloatArray
) -> NucleotideGeometry:
    """Measure any pose of ATP or ADP with metals: contacts, coordination of the metals, overlap.

    Parameters
    ----------
    receptor : Receptor
    ligand : Ligand
    kinase : Kinase
    coordinates : (n_atoms, 3) float
        Of the ligand, Angstrom.

    Returns
    -------
    NucleotideGeometry

    Raises
    ------
    DockingError
        As :func:`place_atp`, save for the pose itself.
    """
    mol = ligand_mol(ligand)
    parts = find_nucleotide(mol, ligand.name)
    site = Site(receptor, kinase, ligand.name)
    places = site.metal_places()
    options = ARRANGEMENTS[len(parts.metals)]
    order = {"M1": places[0], "M2": places[1]}
    own = site.into(coordinates)
    far = [
        sum(float(np.linalg.norm(own[m] - order[p])) for m, p in zip(parts.metals, option, strict=True))
        for option in options
    ]
    overlap = _clashes(mol, parts, site).deepest(own)
    return measure(site, parts, ligand, own, options[int(np.argmin(far))], overlap)


def _clashes(mol: Chem.Mol, parts: Nucleotide, site: Site, softened: float = 1.0) -> Clashes:
    heavy = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]
    sticky = [i for i in heavy if i not in parts.metals]
    pull = attraction(site, parts, sticky)
    return Clashes(mol, heavy, site.coordinates, site.elements, sticky, pull, softened)


def _best(mol: Chem.Mol, parts: Nucleotide, site: Site, clashes: Clashes, seed: int) -> Placement:
    """Return the best placement over the arrangements of the metals."""
    found = [
        placement
        for arrangement in ARRANGEMENTS[len(parts.metals)]
        for placement in search(mol, parts, site, clashes, arrangement, seed, n_samples=N_SAMPLES, n_starts=N_STARTS)[
            :1
        ]
    ]
    if not found:
        raise DockingError(f"{site.ligand_name}: no conformer of the nucleotide could be made")
    return min(found, key=lambda placement: placement.energy)


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


def _lost(geometry: NucleotideGeometry) -> list[str]:
    """Return the contacts without which there is no placement, in words; empty for a good one."""
    hinge = {"N6 to the hinge": geometry.hinge_n6, "N1 to the hinge": geometry.hinge_n1}
    lost = [f"{label} {d:.1f} A" for label, d in hinge.items() if not d <= MAX_HINGE]
    lost += [f"{s.place} to the DFG Asp {s.asp:.1f} A" for s in geometry.metals if s.asp > MAX_METAL]
    lost += [f"{s.place} to {s.phosphate} phosphate oxygens" for s in geometry.metals if s.phosphate == 0]
    if geometry.overlap > MAX_OVERLAP:
        lost.append(f"an overlap of {geometry.overlap:.1f} A with the protein")
    return lost


def _refusal(receptor: Receptor, ligand: Ligand, lost: list[str], blocking: list[str]) -> str:
    """Say what the best placement lacks, what stands in its way, and what to do."""
    where = f"in its place stand {', '.join(blocking)}" if blocking else "nothing stands in its place"
    if any("kept" in item for item in blocking):
        advice = "prepare the structure without waters and metals (waters = none, metals = none)"
    elif any("glycine-rich loop" in item for item in blocking):
        advice = "the glycine-rich loop is folded into the site; use a structure with the loop extended"
    elif blocking:
        advice = "use an active-like structure of this kinase"
    else:
        advice = (
            "the DFG Asp or the hinge is not where a nucleotide needs it; use an active-like structure of this kinase"
        )
    return (
        f"{receptor.name} cannot hold {ligand.name}: the best placement has {'; '.join(lost)}; {where}. "
        f"{advice[0].upper()}{advice[1:]}"
    )
