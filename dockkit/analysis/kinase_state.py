"""The conformational state of the kinase in every frame, by the same definitions as for one structure.

What measures one structure is handed in as a function: a trajectory and a crystal are never judged by two rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dockkit.analysis.frames import Laid
from dockkit.core.model import Conformation, FloatArray, Receptor

Measure = Callable[[Receptor], Conformation]

STATES: dict[str, tuple[str, str]] = {
    "dfg_in": ("dfg", "in"),
    "dfg_out": ("dfg", "out"),
    "alpha_c_in": ("alpha_c", "in"),
    "salt_bridge_formed": ("salt_bridge", "formed"),
    "spine_assembled": ("spine", "assembled"),
}
"""Populations that are followed: name, and which value of which field of a conformation counts."""


@dataclass(frozen=True, slots=True)
class KinaseStates:
    """What was measured in every frame.

    Parameters
    ----------
    measures : dict of str to (n_replicas, n_frames) float
        Distances by name, Angstrom; those that every frame has.
    populations : dict of str to (n_replicas, n_frames) float
        1 where the state of :data:`STATES` is taken, 0 where not, NaN where it is unknown.
    """

    measures: dict[str, FloatArray]
    populations: dict[str, FloatArray]


def _without_hydrogens(receptor: Receptor, wanted: NDArray[np.bool_]) -> tuple[Receptor, NDArray[np.int64]]:
    """Return the chosen residues' heavy atoms as a receptor, to be measured faster."""
    atoms = np.flatnonzero((receptor.elements != "H") & wanted[receptor.atom_residue])
    kept = np.unique(receptor.atom_residue[atoms])
    fields = ("residue_names", "chain_ids", "insertion_codes", "author_numbers", "uniprot_numbers", "segments")
    small = dataclasses.replace(
        receptor,
        **{name: getattr(receptor, name)[atoms] for name in ("atom_names", "elements", "coordinates")},
        **{name: getattr(receptor, name)[kept] for name in fields},
        atom_residue=np.searchsorted(kept, receptor.atom_residue[atoms]),
        disulfides=np.zeros((0, 2), dtype=np.int64),
        conformation=Conformation(),
        notes=(),
        changes=(),
    )
    return small, atoms


def kinase_states(laid: Laid, measure: Measure) -> KinaseStates:
    """Measure the conformation of every frame.

    Parameters
    ----------
    laid : Laid
    measure : callable
        Receptor to conformation.

    Returns
    -------
    KinaseStates
        Nothing where the structure itself cannot be measured.
    """
    small, atoms = _without_hydrogens(laid.receptor, laid.chain_residues & (laid.uniprot > 0))
    if not len(atoms):
        return KinaseStates({}, {})
    found = [
        measure(dataclasses.replace(small, coordinates=xyz))
        for xyz in laid.protein[:, :, atoms].reshape(-1, len(atoms), 3)
    ]
    names = [name for name, _ in found[0].measures]
    tables = [dict(item.measures) for item in found]
    measures = {name: np.array([table.get(name, np.nan) for table in tables]).reshape(laid.shape) for name in names}
    populations = {}
    for name, (field, value) in STATES.items():
        states = np.array([getattr(item, field) for item in found])
        series = np.where(states == "unknown", np.nan, (states == value).astype(np.float64)).reshape(laid.shape)
        if np.isfinite(series).all():
            populations[name] = series
    return KinaseStates(measures, populations)
