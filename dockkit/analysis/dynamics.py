"""Compare the dynamics of wild type and mutant: every quantity, map and component of one leg, in one record."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from dockkit.analysis.activation import activation, activation_parts
from dockkit.analysis.blocks import compare, convergence
from dockkit.analysis.components import shared_components
from dockkit.analysis.frames import Laid, Sites, common_residues, lay_both, pair_labels, pocket_residues, sites_of
from dockkit.analysis.interactions import fingerprint, hinge_bonds
from dockkit.analysis.kinase_state import KinaseStates, Measure, kinase_states
from dockkit.analysis.maps import energy_map, interaction_map, rmsf_map
from dockkit.analysis.pocket import (
    backbone_rmsd,
    contacts_of,
    ligand_rmsd,
    p_loop_opening,
    pocket_grid,
    pocket_volume,
)
from dockkit.analysis.words import what_changed
from dockkit.core.model import (
    TERM_NAMES,
    Components,
    Convergence,
    DynamicsComparison,
    Estimate,
    FloatArray,
    IntArray,
    Kinase,
    LegRole,
    Ligand,
    Numbering,
    Observable,
    Trajectory,
)

TARGET_SEM_KCAL_MOL = 0.5
"""Standard error of ddG below which a tenfold change of K_d (1.4 kcal/mol) can be called."""

_TERM_LABELS = {"vdw": "van der Waals", "coulomb": "Coulomb", "gb": "generalised Born", "surface": "surface"}
_MEASURE_LABELS = {
    "dfg_phe_to_alpha_c": "DFG-Phe to αC (D1)",
    "dfg_phe_to_lysine": "DFG-Phe to Lys (D2)",
    "glutamate_to_dfg_phe_c_alpha": "αC-Glu to DFG-Phe, Cα",
    "lysine_glutamate_salt_bridge": "Lys-Glu salt bridge",
    "lysine_glutamate_c_beta": "Lys-Glu, Cβ",
    "spine_1_2": "spine 1-2",
    "spine_2_3": "spine 2-3",
    "spine_3_4": "spine 3-4",
}
_STATE_LABELS = {
    "dfg_in": "DFG in",
    "dfg_out": "DFG out",
    "alpha_c_in": "αC helix in",
    "salt_bridge_formed": "Lys-Glu salt bridge formed",
    "spine_assembled": "regulatory spine assembled",
}
_STILL_ANGSTROM = 1e-3
_SETTLING = ("binding_energy", "ligand_rmsd", "pocket_rmsd")
"""What tells when a state's replicas have settled, for the maps of residues."""


class _Collector:
    """Compares quantities as they come; what cannot move in the run is named instead."""

    def __init__(self, frame_ps: float, paired: bool) -> None:
        self._frame_ps, self._paired = frame_ps, paired
        self.found: list[Observable] = []
        self.still: list[str] = []

    def spacing(self, values: FloatArray) -> float:
        """Return the time between the frames that have a value."""
        there = np.flatnonzero(np.isfinite(values).all(axis=0))
        return self._frame_ps * (float(np.diff(there).mean()) if len(there) > 1 else 1.0)

    def add(
        self, name: str, label: str, unit: str, states: tuple[FloatArray | None, FloatArray | None], kind: str = ""
    ) -> None:
        """Add a quantity that both states have; ``kind`` is ``fraction`` for zeros and ones, ``kept`` if still too."""
        first, second = states
        if first is None or second is None:
            return
        if not (np.isfinite(first).all(axis=0).any() and np.isfinite(second).all(axis=0).any()):
            return
        if unit == "Å" and kind != "kept" and max(np.ptp(first), np.ptp(second)) < _STILL_ANGSTROM:
            self.still.append(label)
            return
        difference = compare(
            first, second, frame_ps=self.spacing(first), paired=self._paired, fraction=kind == "fraction"
        )
        self.found.append(Observable(name, label, unit, first, second, difference))


def compare_dynamics(
    wild_type: Trajectory,
    mutant: Trajectory,
    ligand: Ligand | None,
    kinase: Kinase | None,
    numbering: Numbering,
    *,
    sites: Sites | None = None,
    measure: Measure | None = None,
    role: LegRole = "inhibitor",
) -> DynamicsComparison:
    """Compare two trajectories of the same complex.

    Parameters
    ----------
    wild_type, mutant : Trajectory
        Run with identical settings; replicas of equal seeds are taken as pairs.
    ligand : Ligand or None
        Its elements and atom order; None for the empty pocket.
    kinase : Kinase or None
        Names the hinge; without it hinge hydrogen bonds are not counted (NaN).
    numbering : {"uniprot", "author"}
        Numbering of the residues in the result.
    sites : Sites, optional
        All parts of the kinase; by default those the kinase record tells.
    measure : callable, optional
        Measures the conformation of a structure; without it the kinase's states are not followed.
    role : {"inhibitor", "ATP", "apo"}

    Returns
    -------
    DynamicsComparison
        Distances in Angstrom, energies in kcal/mol.
    """
    known = sites_of(kinase) if sites is None else sites
    first, second = _same_length(wild_type, mutant)
    laid = lay_both(first, second, ligand, known, numbering)
    residues = common_residues(first.receptor, second.receptor)
    labels = pair_labels(laid[0], laid[1], residues)
    time = first.time_ps
    frame_ps = float(time[1] - time[0]) if len(time) > 1 else float(time[-1])
    paired = len(first.seeds) == len(second.seeds) and bool((first.seeds == second.seeds).all())
    collector = _Collector(frame_ps, paired)
    _energies(collector, first, second)
    _geometry(collector, laid, known)
    _kinase(collector, laid, known, measure)
    prints = fingerprint(laid[0]), fingerprint(laid[1])
    bridges = tuple(
        _any_water(p, side.shape) if _has_waters(side) else None for p, side in zip(prints, laid, strict=True)
    )
    collector.add("water_bridges", "residues bridged to the ligand by a water", "", (bridges[0], bridges[1]))
    cuts = _settled(collector, frame_ps, len(time))
    motion = rmsf_map(laid, residues, labels, known, cuts)
    components = _components(laid, residues, labels)
    if components is not None:
        for k in range(len(components.variance)):
            states = components.wild_type[..., k], components.mutant[..., k]
            collector.add(f"pc{k + 1}", f"principal component {k + 1}", "Å", states)
    maps = [
        motion,
        interaction_map(prints, residues, laid, labels, known, cuts),
        energy_map(laid, residues, labels, known, cuts),
    ]
    energy = next((item for item in collector.found if item.name == "binding_energy"), None)
    result = DynamicsComparison(
        time_ps=time,
        ligand_rmsd_wild_type=_series(collector, "ligand_rmsd", 0, len(time)),
        ligand_rmsd_mutant=_series(collector, "ligand_rmsd", 1, len(time)),
        pocket_rmsd_wild_type=backbone_rmsd(laid[0]),
        pocket_rmsd_mutant=backbone_rmsd(laid[1]),
        rmsf_residues=motion.residues,
        rmsf_labels=motion.labels,
        rmsf_wild_type=motion.wild_type,
        rmsf_mutant=motion.mutant,
        hinge_hbond_wild_type=_estimate(collector, "hinge_occupancy", 0),
        hinge_hbond_mutant=_estimate(collector, "hinge_occupancy", 1),
        ddg=Estimate(float("nan"), float("nan"), 0) if energy is None else energy.difference.change,
        length_ps=float(time[-1]),
        notes=(*_notes(wild_type, mutant, first, collector, residues), *_cut_note(cuts, frame_ps)),
        role=role,
        ligand="" if ligand is None else ligand.name,
        observables=tuple(collector.found),
        maps=tuple(item for item in maps if item is not None and len(item.residues)),
        components=components,
        convergence=None if energy is None else _convergence(energy, collector),
    )
    return dataclasses.replace(result, words=what_changed(result))


def _settled(collector: _Collector, frame_ps: float, frames: int) -> tuple[int, int]:
    """Return how many frames of each state's replicas come before energy and pocket have settled, at most half."""
    found = [item.difference.discarded_ps for item in collector.found if item.name in _SETTLING]
    cuts = np.ceil(np.array(found or [(0.0, 0.0)]).max(axis=0) / frame_ps - 1e-9).astype(int)
    first, second = np.minimum(cuts, frames // 2).tolist()
    return first, second


def _cut_note(cuts: tuple[int, int], frame_ps: float) -> tuple[str, ...]:
    if not any(cuts):
        return ()
    first, second = (f"{cut * frame_ps:g}" for cut in cuts)
    return (f"maps of residues leave out {first} ps of the wild type's replicas and {second} ps of the mutant's",)


def _convergence(energy: Observable, collector: _Collector) -> Convergence:
    """Say how long is long enough, from the frames that both states have an energy for."""
    both = np.concatenate([energy.wild_type, energy.mutant])
    shared = np.where(np.isfinite(both).all(axis=0), 0.0, np.nan)
    return convergence(
        energy.wild_type + shared,
        energy.mutant + shared,
        frame_ps=collector.spacing(both),
        target=TARGET_SEM_KCAL_MOL,
    )


def _same_length(wild_type: Trajectory, mutant: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Cut both to the frames that both have."""
    frames = min(len(wild_type.time_ps), len(mutant.time_ps))
    return _cut(wild_type, frames), _cut(mutant, frames)


def _cut(trajectory: Trajectory, frames: int) -> Trajectory:
    if len(trajectory.time_ps) == frames:
        return trajectory
    names = ("ligand_coordinates", "receptor_coordinates", "terms", "temperature_kelvin")
    optional = ("potential_kcal_mol", "water_coordinates", "contributions")
    chosen = [*names, *(name for name in optional if getattr(trajectory, name).size)]
    return dataclasses.replace(
        trajectory,
        time_ps=trajectory.time_ps[:frames],
        **{name: getattr(trajectory, name)[:, :frames] for name in chosen},
    )


def _energies(collector: _Collector, first: Trajectory, second: Trajectory) -> None:
    if not first.terms.size or not second.terms.size:
        return
    totals = tuple(t.terms.sum(axis=-1) for t in (first, second))
    collector.add("binding_energy", "MM-GBSA binding energy", "kcal/mol", (totals[0], totals[1]))
    for column, name in enumerate(TERM_NAMES):
        states = first.terms[..., column], second.terms[..., column]
        collector.add(f"energy_{name}", f"{_TERM_LABELS[name]} term", "kcal/mol", states)


def _geometry(collector: _Collector, laid: tuple[Laid, Laid], sites: Sites) -> None:
    first, second = laid
    if first.ligand is not None:
        collector.add("ligand_rmsd", "ligand RMSD", "Å", (ligand_rmsd(first), ligand_rmsd(second)), "kept")
    collector.add("pocket_rmsd", "pocket backbone RMSD", "Å", (backbone_rmsd(first), backbone_rmsd(second)))
    bonds = hinge_bonds(first, sites), hinge_bonds(second, sites)
    collector.add("hinge_bonds", "hydrogen bonds to the hinge", "", bonds)
    held = tuple(None if count is None else (count > 0).astype(np.float64) for count in bonds)
    collector.add("hinge_occupancy", "hinge hydrogen bond formed", "", (held[0], held[1]), "fraction")
    contacts = contacts_of(first, sites.gatekeeper), contacts_of(second, sites.gatekeeper)
    collector.add("gatekeeper_contacts", "contacts of the gatekeeper with the ligand", "", contacts)
    collector.add("p_loop", "P-loop opening", "Å", (p_loop_opening(first, sites), p_loop_opening(second, sites)))
    points = pocket_grid(first, pocket_residues(first.trajectory, sites))
    volumes = pocket_volume(first, points), pocket_volume(second, points)
    collector.add("pocket_volume", "free volume of the pocket", "Å³", volumes)


def _kinase(collector: _Collector, laid: tuple[Laid, Laid], sites: Sites, measure: Measure | None) -> None:
    if measure is None:
        return
    states = kinase_states(laid[0], measure), kinase_states(laid[1], measure)
    for name, label in _MEASURE_LABELS.items():
        collector.add(name, label, "Å", (states[0].measures.get(name), states[1].measures.get(name)))
    moving = _moving(states)
    for name, label in _STATE_LABELS.items():
        pair = states[0].populations.get(name), states[1].populations.get(name)
        if moving:
            collector.add(name, label, "", pair, "fraction")
    parts = [activation_parts(side, found.measures, sites) for side, found in zip(laid, states, strict=True)]
    scores = activation(parts[0], parts[1])
    if scores is None:
        return
    collector.still += [f"{label} (activation)" for label in scores[0].still]
    collector.add("activation", "activation score", "", (scores[0].score, scores[1].score))
    for k, label in enumerate(scores[0].parts, start=1):
        pair = scores[0].parts[label], scores[1].parts[label]
        collector.add(f"activation_{k}", f"activation: {label}", "", pair)


def _moving(states: tuple[KinaseStates, KinaseStates]) -> bool:
    """Tell whether any distance that the states are read from changes in the run."""
    spans = [float(np.ptp(v)) for state in states for v in state.measures.values() if np.isfinite(v).all()]
    return max(spans, default=0.0) >= _STILL_ANGSTROM


def _has_waters(laid: Laid) -> bool:
    return bool(laid.waters.shape[2]) or bool((laid.receptor.residue_names == "HOH").any())


def _any_water(prints: dict[tuple[int, str], NDArray[np.bool_]], shape: tuple[int, int]) -> FloatArray:
    return np.asarray(
        sum((f.astype(np.float64) for (_, kind), f in prints.items() if kind == "water bridge"), np.zeros(shape))
    )


def _components(
    laid: tuple[Laid, Laid], residues: tuple[IntArray, IntArray], labels: NDArray[np.str_]
) -> Components | None:
    """Return the components of the C-alphas that may move in both states."""
    alphas, kept = [], []
    for k, pair in enumerate(zip(*residues, strict=True)):
        atoms = [side.atoms(int(r), ("CA",)) for side, r in zip(laid, pair, strict=True)]
        if all(len(a) == 1 for a in atoms) and all(side.mobile[r] for side, r in zip(laid, pair, strict=True)):
            alphas.append((int(atoms[0][0]), int(atoms[1][0])))
            kept.append(k)
    chosen = np.array(alphas, dtype=np.int64).reshape(-1, 2)
    return shared_components(laid[0].protein[:, :, chosen[:, 0]], laid[1].protein[:, :, chosen[:, 1]], labels[kept])


def _series(collector: _Collector, name: str, state: int, frames: int) -> FloatArray:
    item = next((item for item in collector.found if item.name == name), None)
    if item is None:
        return np.zeros((0, frames))
    return item.mutant if state else item.wild_type


def _estimate(collector: _Collector, name: str, state: int) -> Estimate:
    item = next((item for item in collector.found if item.name == name), None)
    if item is None:
        return Estimate(float("nan"), float("nan"), 0)
    return item.difference.mutant if state else item.difference.wild_type


def _notes(
    wild_type: Trajectory,
    mutant: Trajectory,
    used: Trajectory,
    collector: _Collector,
    residues: tuple[IntArray, IntArray],
) -> tuple[str, ...]:
    replicas, length = len(used.seeds), float(used.time_ps[-1])
    surrounding = "the rest frozen" if used.preset == "pocket" else f"preset {used.preset}"
    reach = (
        "long enough to settle side chains, far too short for the P-loop or the DFG motif to change state"
        if length < 1000.0
        else "motions slower than a replica are not sampled, and no error bar shows them"
    )
    notes = [
        f"{replicas} x {length:g} ps per state, {len(used.mobile_residues)} mobile residues, {surrounding}: {reach}"
    ]
    if len(wild_type.time_ps) != len(mutant.time_ps):
        own = f"wild type has {wild_type.time_ps[-1]:g} ps and the mutant {mutant.time_ps[-1]:g} ps"
        notes.append(f"{own}; {length:g} ps of each are compared")
    if replicas < 3:
        notes.append(f"{replicas} replica{'s' if replicas > 1 else ''} of each state: too few for a reliable error")
    if collector.still:
        notes.append(f"held in place by this run, so not compared: {', '.join(collector.still)}")
    drifting = [item.label for item in collector.found if any(item.difference.drift)]
    if drifting:
        notes.append(f"still drifting: {', '.join(drifting)}")
    missing = len(used.receptor.residue_names) - len(residues[0])
    waters = int((used.receptor.residue_names == "HOH").sum())
    if missing > waters:
        notes.append(f"{missing - waters} residues, ions or caps of the wild type have no partner in the mutant")
    return (*notes, *dict.fromkeys((*wild_type.notes, *mutant.notes)))
