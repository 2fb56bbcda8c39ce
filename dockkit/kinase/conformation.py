"""The conformational state of a kinase domain, read from distances."""

from __future__ import annotations

import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model import Conformation, DfgState, FloatArray, HelixState, Kinase, Receptor

# Modi & Dunbrack, Proc. Natl. Acad. Sci. USA 2019, 116, 6818-6827: where the DFG-Phe ring is.
_DFG_HELIX_LIMIT = 11.0
_DFG_IN_LYSINE_LIMIT = 11.0
_DFG_OUT_LYSINE_LIMIT = 14.0
# Salt bridge: Barlow & Thornton, J. Mol. Biol. 1983, 168, 867-885 (4 A between charged atoms). C-beta limit: Modi &
# Dunbrack, Nucleic Acids Res. 2022, 50, D654-D664.
_SALT_BRIDGE_LIMIT = 4.0
_HELIX_CBETA_LIMIT = 10.0

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


def _atom(receptor: Receptor, number: int, name: str) -> FloatArray | None:
    """Position of an atom of the residue with this UniProt number, None where it is not there."""
    if number <= 0:
        return None
    try:
        atoms = receptor.atom_indices(receptor.residue_index(number))
    except StructureError:
        return None
    hits = atoms[receptor.atom_names[atoms] == name]
    return receptor.coordinates[hits[0]] if len(hits) else None


def _distance(first: FloatArray | None, second: FloatArray | None) -> float:
    """Distance in Angstrom, NaN where an atom is missing."""
    if first is None or second is None:
        return float("nan")
    return float(np.linalg.norm(first - second))


def _ring_position(receptor: Receptor, number: int) -> FloatArray | None:
    try:
        residue = receptor.residue_index(number)
    except StructureError:
        return None
    return _atom(receptor, number, _OUTERMOST_ATOM.get(str(receptor.residue_names[residue]), "CA"))


def _dfg_state(to_helix: float, to_lysine: float) -> DfgState:
    if np.isnan(to_helix) or np.isnan(to_lysine):
        return "unknown"
    if to_helix <= _DFG_HELIX_LIMIT:
        return "in" if to_lysine >= _DFG_IN_LYSINE_LIMIT else "inter"
    return "out" if to_lysine <= _DFG_OUT_LYSINE_LIMIT else "unknown"


def _helix_state(salt_bridge: float, c_beta: float) -> HelixState:
    if np.isnan(c_beta):
        return "unknown"
    return "in" if c_beta <= _HELIX_CBETA_LIMIT or salt_bridge <= _SALT_BRIDGE_LIMIT else "out"


def measure_conformation(receptor: Receptor, kinase: Kinase) -> Conformation:
    """Read the DFG and alpha-C states of a structure from distances.

    DFG after Modi & Dunbrack (PNAS 2019, 116, 6818-6827): with D1 from the outermost ring atom of the DFG-Phe to
    C-alpha of the residue four after the alpha-C Glu, and D2 from it to C-alpha of the catalytic Lys, the motif is
    *in* at D1 <= 11 and D2 >= 11 A, *inter* at D1 <= 11 and D2 < 11 A, *out* at D1 > 11 and D2 <= 14 A. The
    alpha-C helix is *in* where the Lys-Glu C-beta distance is at most 10 A (Modi & Dunbrack, Nucleic Acids Res.
    2022, 50, D654) or the salt bridge is formed (NZ to OE1 or OE2 at most 4 A).

    Parameters
    ----------
    receptor : Receptor
        With UniProt numbers; hydrogens are not needed.
    kinase : Kinase

    Returns
    -------
    Conformation
        States, ``unknown`` where an atom is missing or the distances fit no state, and the distances in Angstrom:
        ``dfg_phe_to_alpha_c``, ``dfg_phe_to_lysine``, ``lysine_glutamate_salt_bridge``,
        ``lysine_glutamate_c_beta``; those that could be measured.
    """
    lysine, glutamate = kinase.catalytic_lysine, kinase.pocket[23]
    ring = _ring_position(receptor, kinase.dfg_aspartate + 1 if kinase.dfg_aspartate else 0)
    to_helix = _distance(ring, _atom(receptor, glutamate + 4 if glutamate else 0, "CA"))
    to_lysine = _distance(ring, _atom(receptor, lysine, "CA"))
    nitrogen = _atom(receptor, lysine, "NZ")
    bridges = [_distance(nitrogen, _atom(receptor, kinase.alpha_c_glutamate, name)) for name in ("OE1", "OE2")]
    salt_bridge = min(bridges) if not np.isnan(bridges).all() else float("nan")
    c_beta = _distance(_atom(receptor, lysine, "CB"), _atom(receptor, glutamate, "CB"))
    measures = {
        "dfg_phe_to_alpha_c": to_helix,
        "dfg_phe_to_lysine": to_lysine,
        "lysine_glutamate_salt_bridge": salt_bridge,
        "lysine_glutamate_c_beta": c_beta,
    }
    return Conformation(
        dfg=_dfg_state(to_helix, to_lysine),
        alpha_c=_helix_state(salt_bridge, c_beta),
        measures=tuple((name, value) for name, value in measures.items() if not np.isnan(value)),
    )
