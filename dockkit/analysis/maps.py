"""Differences residue by residue, corrected for their number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dockkit.analysis.blocks import compare_columns
from dockkit.analysis.frames import Laid, Sites
from dockkit.analysis.geometry import rmsf
from dockkit.analysis.interactions import KINDS, Frames
from dockkit.core.model import FloatArray, IntArray, ResidueMap, StrArray

MIN_OCCUPANCY = 0.05
"""Interactions rarer than this in both states are not compared."""

MIN_ENERGY_KCAL_MOL = 0.05
"""Residues whose interaction is weaker than this in both states are not compared."""

Pairs = tuple[IntArray, IntArray]
Both = tuple[Laid, Laid]
Cuts = tuple[int, int]
"""Frames of equilibration that are left out of the wild type's replicas and of the mutant's."""


def _make(
    names: tuple[str, str, str],
    rows: list[int],
    laid: Both,
    residues: Pairs,
    labels: StrArray,
    sites: Sites,
    states: tuple[FloatArray, FloatArray],
    *,
    kinds: list[str] | None = None,
    fraction: bool = False,
) -> ResidueMap:
    change, sem, p_values, q_values, called = compare_columns(*states, fraction=fraction)
    own = residues[0][rows]
    return ResidueMap(
        *names,
        residues=laid[0].numbers[own],
        labels=labels[rows],
        kinds=np.array(kinds if kinds is not None else [""] * len(rows), dtype=str),
        klifs=np.array([sites.klifs(int(n)) for n in laid[0].uniprot[own]], dtype=str),
        wild_type=np.nanmean(states[0], axis=(0, 1)) if rows else np.zeros(0),
        mutant=np.nanmean(states[1], axis=(0, 1)) if rows else np.zeros(0),
        change=change,
        sem=sem,
        p_values=p_values,
        q_values=q_values,
        called=called,
    )


def rmsf_map(laid: Both, residues: Pairs, labels: StrArray, sites: Sites, cuts: Cuts = (0, 0)) -> ResidueMap:
    """Compare the fluctuation of each mobile residue's C-alpha about its mean position in a replica, Angstrom.

    One value of each replica enters: the error is the replicas' spread.
    """
    rows, alphas = [], []
    for k, pair in enumerate(zip(*residues, strict=True)):
        atoms = [side.atoms(int(r), ("CA",)) for side, r in zip(laid, pair, strict=True)]
        if all(len(a) == 1 for a in atoms) and all(side.mobile[r] for side, r in zip(laid, pair, strict=True)):
            rows.append(k)
            alphas.append([int(a[0]) for a in atoms])
    chosen = np.array(alphas, dtype=np.int64).reshape(-1, 2).T
    states = tuple(
        np.array([rmsf(frames[cut:, atoms]) for frames in side.protein])[:, None]
        for side, atoms, cut in zip(laid, chosen, cuts, strict=True)
    )
    names = ("rmsf", "fluctuation of the C-alpha", "Å")
    return _make(names, rows, laid, residues, labels, sites, (states[0], states[1]))


def interaction_map(
    prints: tuple[dict[tuple[int, str], Frames], dict[tuple[int, str], Frames]],
    residues: Pairs,
    laid: Both,
    labels: StrArray,
    sites: Sites,
    cuts: Cuts = (0, 0),
) -> ResidueMap:
    """Compare how much of the time each residue makes each kind of interaction with the ligand."""
    rows: list[int] = []
    kinds: list[str] = []
    cut_prints = [{key: f[:, cut:] for key, f in found.items()} for found, cut in zip(prints, cuts, strict=True)]
    shapes = [(side.shape[0], side.shape[1] - cut) for side, cut in zip(laid, cuts, strict=True)]
    columns: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    for k, pair in enumerate(zip(*residues, strict=True)):
        for kind in KINDS:
            frames = [found.get((int(r), kind)) for found, r in zip(cut_prints, pair, strict=True)]
            if max((float(f.mean()) for f in frames if f is not None), default=0.0) < MIN_OCCUPANCY:
                continue
            rows.append(k)
            kinds.append(kind)
            for column, shape, made in zip(columns, shapes, frames, strict=True):
                column.append(np.zeros(shape) if made is None else made.astype(np.float64))
    states = tuple(
        np.stack(column, axis=2) if column else np.zeros((*shape, 0))
        for column, shape in zip(columns, shapes, strict=True)
    )
    names = ("interactions", "share of frames with the interaction", "")
    return _make(names, rows, laid, residues, labels, sites, (states[0], states[1]), kinds=kinds, fraction=True)


def energy_map(laid: Both, residues: Pairs, labels: StrArray, sites: Sites, cuts: Cuts = (0, 0)) -> ResidueMap | None:
    """Compare each residue's direct interaction with the ligand (vdw, Coulomb, GB screening), kcal/mol.

    None where no frame was decomposed.
    """
    parts = [side.trajectory.contributions[:, cut:] for side, cut in zip(laid, cuts, strict=True)]
    if not all(part.size and np.isfinite(part).any() for part in parts):
        return None
    totals = [part.sum(axis=-1)[:, :, own] for part, own in zip(parts, residues, strict=True)]
    sizes = [np.abs(np.nan_to_num(total)).max(axis=(0, 1)) for total in totals]
    rows = np.flatnonzero(np.maximum(*sizes) >= MIN_ENERGY_KCAL_MOL).tolist()
    names = ("energy", "direct interaction with the ligand", "kcal/mol")
    return _make(names, rows, laid, residues, labels, sites, (totals[0][..., rows], totals[1][..., rows]))
