"""What the annotated residues of a kinase say of a pose: hydrogen bonds to the hinge and behind the gatekeeper.

Nearly every ATP-competitive inhibitor accepts a hydrogen bond from the backbone N-H of the hinge residue
gatekeeper + 3 and many donate one to the backbone O of gatekeeper + 1 or + 3 [1]_; type II inhibitors reach
past the gatekeeper and bridge the alpha-C Glu and the backbone N-H of the DFG Asp [2]_.

References
----------
.. [1] van Linden et al., J. Med. Chem. 2014, 57, 249 (KLIFS).
.. [2] Liu, Gray, Nat. Chem. Biol. 2006, 2, 358.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from rdkit import Chem
from scipy.spatial.distance import cdist

from dockkit.core.errors import DockingError, StructureError
from dockkit.core.model import FloatArray, IntArray, Kinase, Receptor
from dockkit.docking.molecule import acceptor_atoms, donor_hydrogens

FULL_BOND: Final = 2.3
NO_BOND: Final = 3.0
"""Angstrom, hydrogen to acceptor: a bond counts fully below the first, not at all above the second."""

MIN_ANGLE: Final = 115.0
"""Degree, donor-hydrogen-acceptor."""

CONTACT: Final = 5.0
"""Angstrom to the groups behind the gatekeeper: a heavy atom this close is in the back pocket."""


class Contact(NamedTuple):
    """One backbone or carboxylate group that a ligand may bond to."""

    label: str
    donors: IntArray
    """(n, 2) hydrogen and parent atoms of the receptor."""
    acceptors: IntArray
    """(n,) acceptor atoms of the receptor."""


class PocketSites:
    """The annotated atoms of one receptor, looked up once."""

    def __init__(self, receptor: Receptor, kinase: Kinase) -> None:
        self.receptor = receptor
        middle, first = kinase.hinge_middle, kinase.hinge_middle - 2
        self.hinge = [
            Contact(*self._group(middle, "N", "")),
            Contact(*self._group(middle, "", "O")),
            Contact(*self._group(first, "", "O")),
        ]
        self.bridge = []
        if kinase.alpha_c_glutamate and self._present(kinase.alpha_c_glutamate):
            self.bridge.append(Contact(*self._group(kinase.alpha_c_glutamate, "", "OE1 OE2 OD1 OD2")))
        if kinase.dfg_aspartate and self._present(kinase.dfg_aspartate):
            self.bridge.append(Contact(*self._group(kinase.dfg_aspartate, "N", "")))
        self.hinge_atoms = np.concatenate([self._atoms(n, "N O C CA") for n in range(first, middle + 1)])
        self.gatekeeper = self._atoms(kinase.gatekeeper, "")
        self.bridge_atoms = np.concatenate(
            [np.zeros(0, dtype=np.int64), *(np.concatenate([c.donors[:, 1], c.acceptors]) for c in self.bridge)]
        )

    def _present(self, number: int) -> bool:
        return bool((self.receptor.uniprot_numbers == number).any())

    def _residue(self, number: int) -> int:
        try:
            return self.receptor.residue_index(number)
        except StructureError as error:
            raise DockingError(f"a pose cannot be judged: {error}") from error

    def _atoms(self, number: int, names: str) -> IntArray:
        """Heavy atoms of a residue: the named ones, or the side chain (the CA of glycine) where no name is given."""
        atoms = self.receptor.atom_indices(self._residue(number))
        wanted = set(names.split())
        backbone = {"N", "C", "O", "OXT", "CA"}
        kept = [
            a
            for a in atoms.tolist()
            if self.receptor.elements[a] != "H"
            and (self.receptor.atom_names[a] in wanted if wanted else self.receptor.atom_names[a] not in backbone)
        ]
        return np.array(kept or [a for a in atoms.tolist() if self.receptor.atom_names[a] == "CA"], dtype=np.int64)

    def _group(self, number: int, donor: str, acceptors: str) -> tuple[str, IntArray, IntArray]:
        residue = self._residue(number)
        atoms = self.receptor.atom_indices(residue)
        names, xyz = self.receptor.atom_names[atoms], self.receptor.coordinates[atoms]
        donors = []
        if donor and donor in names:
            parent = int(np.flatnonzero(names == donor)[0])
            near = np.linalg.norm(xyz - xyz[parent], axis=1) < 1.2
            donors = [
                (int(atoms[i]), int(atoms[parent]))
                for i in np.flatnonzero(near & (self.receptor.elements[atoms] == "H")).tolist()
            ]
        accepting = atoms[np.isin(names, acceptors.split())] if acceptors else atoms[:0]
        kind = "N-H" if donor else ("O" if acceptors == "O" else "carboxylate")
        label = f"{str(self.receptor.residue_names[residue]).capitalize()}{number} {kind}"
        return label, np.array(donors, dtype=np.int64).reshape(-1, 2), accepting

    def describe(
        self, mol: Chem.Mol, coordinates: FloatArray, receptor_coordinates: FloatArray | None = None
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        """Return the features of one pose and the labels of its bonds.

        Parameters
        ----------
        mol : rdkit.Chem.Mol
            Hydrogens explicit.
        coordinates : (n_atoms, 3) float
            Of the ligand, Angstrom.
        receptor_coordinates : (n_receptor_atoms, 3) float, optional
            Where the receptor has moved, Angstrom.
        """
        xyz = self.receptor.coordinates if receptor_coordinates is None else receptor_coordinates
        heavy = coordinates[[a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1]]
        donors, acceptors = donor_hydrogens(mol), acceptor_atoms(mol)
        strength = {
            contact.label: contact_strength(contact, xyz, donors, acceptors, coordinates)
            for contact in (*self.hinge, *self.bridge)
        }
        features = {
            "hinge_bonds": sum(strength[c.label] for c in self.hinge),
            "bridge_bonds": sum(strength[c.label] for c in self.bridge),
            "hinge_distance": float(cdist(heavy, xyz[self.hinge_atoms]).min()),
            "gatekeeper_distance": float(cdist(heavy, xyz[self.gatekeeper]).min()),
            "back_pocket_atoms": float((cdist(heavy, xyz[self.bridge_atoms]).min(axis=1) < CONTACT).sum())
            if len(self.bridge_atoms)
            else 0.0,
        }
        return features, tuple(label for label, value in strength.items() if value >= 0.5)


def contact_strength(
    contact: Contact, receptor_xyz: FloatArray, donors: IntArray, acceptors: IntArray, ligand_xyz: FloatArray
) -> float:
    """Return how well a ligand bonds to one group, 0 (not) to 1 (a full hydrogen bond).

    Parameters
    ----------
    contact : Contact
        Receptor group.
    receptor_xyz : (n_receptor_atoms, 3) float
        Angstrom.
    donors : (n, 2) int
        Ligand hydrogen and parent.
    acceptors : (n,) int
        Ligand acceptors.
    ligand_xyz : (n_ligand_atoms, 3) float
        Angstrom.

    Returns
    -------
    float
        The best single bond: 1 below ``FULL_BOND``, falling to 0 at ``NO_BOND``, 0 where bent below ``MIN_ANGLE``.
    """
    best = 0.0
    pairs = [
        (receptor_xyz[contact.donors], ligand_xyz[acceptors]),
        (ligand_xyz[donors], receptor_xyz[contact.acceptors]),
    ]
    for donor, acceptor in pairs:
        if len(donor) == 0 or len(acceptor) == 0:
            continue
        hydrogen, parent = donor[:, 0], donor[:, 1]
        to_acceptor = acceptor[None, :, :] - hydrogen[:, None, :]
        distance = np.linalg.norm(to_acceptor, axis=2)
        to_parent = parent - hydrogen
        cosine = (to_acceptor * to_parent[:, None, :]).sum(axis=2) / (
            distance * np.linalg.norm(to_parent, axis=1)[:, None] + 1e-9
        )
        strength = np.clip((NO_BOND - distance) / (NO_BOND - FULL_BOND), 0.0, 1.0)
        strength[cosine > np.cos(np.radians(MIN_ANGLE))] = 0.0
        best = max(best, float(strength.max()))
    return best
