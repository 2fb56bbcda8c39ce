"""The conformational state of a kinase domain, read from distances and angles."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.geometry import dihedral
from dockkit.core.model import Conformation, DfgState, FloatArray, HelixState, Kinase, Receptor
from dockkit.kinase.table import motifs

# Modi & Dunbrack, Proc. Natl. Acad. Sci. USA 2019, 116, 6818-6827: where the DFG-Phe ring is.
_DFG_HELIX_LIMIT = 11.0
_DFG_IN_LYSINE_LIMIT = 11.0
_DFG_OUT_LYSINE_LIMIT = 14.0
# C-alpha of the alpha-C Glu to C-alpha of the DFG-Phe. Fitted to the states that KLIFS gives 82 chains of 19 kinases:
# the largest distance of a helix called in is 7.2, the smallest of one called out 7.3; leaving each kinase out of the
# fit in turn, 80 of 82 are called as KLIFS does.
_HELIX_LIMIT = 7.25
# Where the Phe is missing. Modi & Dunbrack, Nucleic Acids Res. 2022, 50, D654-D664.
_HELIX_CBETA_LIMIT = 10.0
# Barlow & Thornton, J. Mol. Biol. 1983, 168, 867-885: 4 A between charged atoms.
_SALT_BRIDGE_LIMIT = 4.0
# Carbon atoms in contact: twice the van der Waals radius (1.7 A, Bondi 1964) and half a bond.
_SPINE_CONTACT = 5.0

# Pocket positions, counted from 1. Regulatory spine: Kornev et al., Proc. Natl. Acad. Sci. USA 2006, 103, 17783-17788.
_LYSINE, _GLUTAMATE, _DFG_PHE = 17, 24, 82
_SPINE = (68, 82, 28, 38)
_BACKBONE = frozenset({"N", "CA", "C", "O", "OXT"})

# The outermost side-chain atom, for kinases whose DFG motif has another residue than Phe.
_OUTERMOST_ATOM = {
    "PHE": "CZ",
    "TYR": "CZ",
    "TRP": "CH2",
    "LEU": "CD1",
    "MET": "CE",
    "ILE": "CD1",
    "VAL": "CG1",
    "HIS": "CE1",
    "LYS": "NZ",
    "ARG": "CZ",
    "GLN": "CD",
    "GLU": "CD",
    "ASN": "CG",
    "ASP": "CG",
    "SER": "OG",
    "THR": "CG2",
    "CYS": "SG",
}


def _is_hydrogen(name: str) -> bool:
    return name.lstrip("0123456789").startswith("H")


class _Site:
    """Atoms of a receptor looked up by UniProt number, each residue once."""

    def __init__(self, receptor: Receptor, numbers: set[int]) -> None:
        self._names: dict[int, str] = {}
        self._atoms: dict[int, dict[str, FloatArray]] = {}
        for number in sorted(numbers - {0}):
            try:
                residue = receptor.residue_index(number)
            except StructureError:
                continue
            atoms = receptor.atom_indices(residue)
            self._names[number] = str(receptor.residue_names[residue])
            self._atoms[number] = {str(receptor.atom_names[i]): receptor.coordinates[i] for i in atoms}

    def __contains__(self, number: int) -> bool:
        return number in self._names

    def atom(self, number: int, name: str) -> FloatArray | None:
        """Position of an atom, None where it is not there."""
        return self._atoms.get(number, {}).get(name)

    def ring(self, number: int) -> FloatArray | None:
        """Position of the outermost side-chain atom: CZ of Phe, its like in what may stand instead."""
        return self.atom(number, _OUTERMOST_ATOM.get(self._names.get(number, ""), "CA"))

    def side_chain(self, number: int) -> FloatArray | None:
        """Heavy side-chain atoms, (n, 3); the C-alpha of Gly; None where nothing was built."""
        atoms = self._atoms.get(number, {})
        found = [xyz for name, xyz in atoms.items() if name not in _BACKBONE and not _is_hydrogen(name)]
        if not found and self._names.get(number) == "GLY" and "CA" in atoms:
            found = [atoms["CA"]]
        return np.array(found) if found else None


def _distance(first: FloatArray | None, second: FloatArray | None) -> float:
    """Distance in Angstrom, NaN where an atom is missing."""
    if first is None or second is None:
        return float("nan")
    return float(np.linalg.norm(first - second))


def _contact(first: FloatArray | None, second: FloatArray | None) -> float:
    """Shortest distance between two groups of atoms, NaN where one is missing."""
    if first is None or second is None:
        return float("nan")
    return float(np.linalg.norm(first[:, None] - second[None], axis=-1).min())


def _dihedral(*points: FloatArray | None) -> float:
    """Dihedral angle in degrees, NaN where an atom is missing."""
    if any(point is None for point in points):
        return float("nan")
    a, b, c, d = (point for point in points if point is not None)
    return float(dihedral(a, b, c, d))


def _dfg_state(to_helix: float, to_lysine: float) -> DfgState:
    if np.isnan(to_helix) or np.isnan(to_lysine):
        return "unknown"
    if to_helix <= _DFG_HELIX_LIMIT:
        return "in" if to_lysine >= _DFG_IN_LYSINE_LIMIT else "inter"
    return "out" if to_lysine <= _DFG_OUT_LYSINE_LIMIT else "unknown"


def _helix_state(to_phe: float, c_beta: float) -> HelixState:
    if not np.isnan(to_phe):
        return "in" if to_phe <= _HELIX_LIMIT else "out"
    if np.isnan(c_beta):
        return "unknown"
    return "in" if c_beta <= _HELIX_CBETA_LIMIT else "out"


def _bridge_state(salt_bridge: float) -> Literal["formed", "broken", "unknown"]:
    if np.isnan(salt_bridge):
        return "unknown"
    return "formed" if salt_bridge <= _SALT_BRIDGE_LIMIT else "broken"


def _spine_state(
    contacts: list[float], dfg: DfgState, alpha_c: HelixState
) -> Literal["assembled", "broken", "unknown"]:
    if any(contact > _SPINE_CONTACT for contact in contacts) or dfg in ("out", "inter") or alpha_c == "out":
        return "broken"
    return "unknown" if np.isnan(contacts).any() else "assembled"


def _distances(site: _Site, kinase: Kinase) -> dict[str, float]:
    """Distances between the Lys, the Glu and the DFG-Phe, Angstrom, NaN where an atom is missing."""
    lysine, glutamate, phe = (kinase.pocket[position - 1] for position in (_LYSINE, _GLUTAMATE, _DFG_PHE))
    ring = site.ring(phe)
    nitrogen = site.atom(kinase.catalytic_lysine, "NZ")
    bridges = [_distance(nitrogen, site.atom(kinase.alpha_c_glutamate, name)) for name in ("OE1", "OE2")]
    return {
        "dfg_phe_to_alpha_c": _distance(ring, site.atom(glutamate + 4 if glutamate else 0, "CA")),
        "dfg_phe_to_lysine": _distance(ring, site.atom(lysine, "CA")),
        "glutamate_to_dfg_phe_c_alpha": _distance(site.atom(glutamate, "CA"), site.atom(phe, "CA")),
        "lysine_glutamate_salt_bridge": min(bridges) if not np.isnan(bridges).all() else float("nan"),
        "lysine_glutamate_c_beta": _distance(site.atom(lysine, "CB"), site.atom(glutamate, "CB")),
    }


def _dihedrals(site: _Site, phe: int) -> dict[str, float]:
    """Backbone angles of the DFG-Asp and -Phe and chi1 of the Phe (Modi & Dunbrack 2019), degrees."""
    found = {}
    for name, number in (("asp", phe - 1), ("phe", phe)) if phe else ():
        n, ca, c = (site.atom(number, atom) for atom in ("N", "CA", "C"))
        found[f"dfg_{name}_phi"] = _dihedral(site.atom(number - 1, "C"), n, ca, c)
        found[f"dfg_{name}_psi"] = _dihedral(n, ca, c, site.atom(number + 1, "N"))
    found["dfg_phe_chi1"] = _dihedral(*(site.atom(phe, atom) for atom in ("N", "CA", "CB", "CG")))
    return found


def _measured(values: dict[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in values.items() if not np.isnan(value))


def measure_conformation(receptor: Receptor, kinase: Kinase) -> Conformation:
    """Read the state of a kinase domain from distances.

    DFG after Modi & Dunbrack (PNAS 2019, 116, 6818-6827): with D1 from the outermost ring atom of the DFG-Phe to
    C-alpha of the residue four after the alpha-C Glu, and D2 from it to C-alpha of the catalytic Lys, the motif is
    *in* at D1 <= 11 and D2 >= 11 A, *inter* at D1 <= 11 and D2 < 11 A, *out* at D1 > 11 and D2 <= 14 A.

    The alpha-C helix is *in* where C-alpha of its Glu is within 7.25 A of C-alpha of the DFG-Phe: the two touch in the
    active state, and either a helix that swings out or a DFG motif that flips parts them. That is how KLIFS uses the
    word, so a DFG-out structure has its helix out even where the salt bridge stands; ``salt_bridge`` says whether it
    does (Lys NZ to Glu OE1 or OE2 at most 4 A). Without the Phe, the C-beta distance of Lys and Glu decides (10 A).

    The regulatory spine is *assembled* where DFG and helix are in and the side chains of its four residues touch one
    after another (5 A).

    Parameters
    ----------
    receptor : Receptor
        With UniProt numbers; hydrogens are not needed.
    kinase : Kinase

    Returns
    -------
    Conformation
        States, ``unknown`` where an atom is missing or the distances fit no state, and what could be measured: the
        distances ``dfg_phe_to_alpha_c`` (D1), ``dfg_phe_to_lysine`` (D2), ``glutamate_to_dfg_phe_c_alpha``,
        ``lysine_glutamate_salt_bridge``, ``lysine_glutamate_c_beta``, ``spine_1_2``, ``spine_2_3``, ``spine_3_4``, and
        the angles ``dfg_asp_phi``, ``dfg_asp_psi``, ``dfg_phe_phi``, ``dfg_phe_psi``, ``dfg_phe_chi1``.
    """
    loop, glutamate, phe = motifs(kinase)["activation_loop"], kinase.pocket[_GLUTAMATE - 1], kinase.pocket[_DFG_PHE - 1]
    spine = tuple(kinase.pocket[position - 1] for position in _SPINE)
    near = {kinase.pocket[_LYSINE - 1], glutamate, glutamate + 4 if glutamate else 0, phe, *spine}
    site = _Site(receptor, near | ({phe - 2, phe - 1, phe + 1} if phe else set()) | set(loop))
    measures = _distances(site, kinase)
    dfg = _dfg_state(measures["dfg_phe_to_alpha_c"], measures["dfg_phe_to_lysine"])
    alpha_c = _helix_state(measures["glutamate_to_dfg_phe_c_alpha"], measures["lysine_glutamate_c_beta"])
    sides = [site.side_chain(number) for number in spine]
    contacts = [_contact(first, second) for first, second in zip(sides, sides[1:], strict=False)]
    measures |= {f"spine_{i}_{i + 1}": contact for i, contact in enumerate(contacts, start=1)}
    missing = sum(number not in site for number in loop)
    nothing = all(np.isnan(value) for value in measures.values())
    return Conformation(
        dfg=dfg,
        alpha_c=alpha_c,
        measures=_measured(measures),
        salt_bridge=_bridge_state(measures["lysine_glutamate_salt_bridge"]),
        spine="unknown" if nothing else _spine_state(contacts, dfg, alpha_c),
        spine_residues=spine,
        activation_loop="unknown" if nothing or not loop else "disordered" if missing else "ordered",
        activation_loop_missing=0 if nothing else missing,
        angles=_measured(_dihedrals(site, phe)),
    )
