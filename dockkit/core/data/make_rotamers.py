"""Make ``backbone_rotamers.npz``: side-chain rotamers by main-chain dihedrals, after Shapovalov & Dunbrack 2011.

Source: the smoothed backbone-dependent rotamer library of 2010 (M. V. Shapovalov & R. L. Dunbrack Jr., Structure 2011,
19, 844-858), which its authors give under an attribution licence. Read from the binary table that the package pyfaspr
carries (``pyfaspr/bin/dun2010bbdep.bin``): for each of 18 amino acids, 36 x 36 cells of phi and psi from -180 in steps
of 10 degrees, in each the rotamers by falling probability; a record is a float32 probability, four int16 chi angles and
four int16 standard deviations in tenths of a degree.

Written, per amino acid XXX, for n rotamers in one fixed order:

- ``XXX_cost`` (36, 36, n) uint8, -10 ln p;
- ``XXX_chi`` (n, n_chi) float32, mean angles over all cells, degrees;
- ``XXX_shift`` (36, 36, n) int8, what to add to chi1 in a cell, degrees (the other angles vary by less than 3);
- ``XXX_sigma`` (n, n_chi) float32, standard deviations weighted by probability, degrees.

The last angle of Asn, Asp, Gln, Glu, His, Phe, Tyr and Trp is not rotameric: it is given in bins of 30 degrees.
Run: ``python make_rotamers.py PATH/dun2010bbdep.bin``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

RECORD = np.dtype([("p", "<f4"), ("chi", "<i2", 4), ("sigma", "<i2", 4)])
SIZES = {
    "ARG": (4, 75), "ASN": (2, 36), "ASP": (2, 18), "CYS": (1, 3), "GLN": (3, 108), "GLU": (3, 54), "HIS": (2, 36),
    "ILE": (2, 9), "LEU": (2, 9), "LYS": (4, 73), "MET": (3, 27), "PHE": (2, 18), "PRO": (2, 2), "SER": (1, 3),
    "THR": (1, 3), "TRP": (2, 36), "TYR": (2, 18), "VAL": (1, 3),
}  # fmt: skip
"""Chi angles and rotamers of each amino acid, in the order of the file."""

BINNED = {
    "ASN": (12, 360.0, -180.0), "ASP": (6, 180.0, -90.0), "GLN": (12, 360.0, -180.0), "GLU": (6, 180.0, -90.0),
    "HIS": (12, 360.0, -180.0), "PHE": (6, 180.0, 0.0), "TYR": (6, 180.0, 0.0), "TRP": (12, 360.0, -180.0),
}  # fmt: skip
"""Bins of the last angle: how many, its period, the first centre."""

GRID = 36


def fold(angle: np.ndarray, period: float | np.ndarray = 360.0) -> np.ndarray:
    """Return angles folded to half a period about 0."""
    return (angle + period / 2) % period - period / 2


def ordered(name: str, chi: np.ndarray) -> np.ndarray:
    """Return the rows of one cell in the fixed order: by the thirds of the circle, then by bin."""
    n_chi = chi.shape[1]
    if name == "PRO":
        return np.argsort(chi[:, 0] < 0)
    rotameric = n_chi - 1 if name in BINNED else n_chi
    key = np.zeros(len(chi), dtype=int)
    for column in range(rotameric):
        key = key * 3 + ((chi[:, column] % 360) // 120).astype(int)
    if name not in BINNED:
        return np.argsort(key, kind="stable")
    bins, period, first = BINNED[name]
    centres = first + np.arange(bins) * period / bins
    rows = []
    for value in np.unique(key):
        members = np.flatnonzero(key == value)
        cyclic = members[np.argsort(fold(chi[members, -1] - first, period))]
        options = [np.roll(cyclic, k) for k in range(bins)]
        rows.append(min(options, key=lambda o: float((fold(chi[o, -1] - centres, period) ** 2).sum())))
    return np.concatenate(rows)


def tables(name: str, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Return the four tables of one amino acid."""
    n_chi, n = SIZES[name]
    p, chi, sigma = np.empty((GRID, GRID, n)), np.empty((GRID, GRID, n, n_chi)), np.empty((GRID, GRID, n, n_chi))
    for i, j in np.ndindex(GRID, GRID):
        cell = cells[i, j]
        rows = ordered(name, cell["chi"][:, :n_chi] / 10.0)
        p[i, j], chi[i, j], sigma[i, j] = (
            cell["p"][rows],
            cell["chi"][rows, :n_chi] / 10,
            cell["sigma"][rows, :n_chi] / 10,
        )
    period = np.full(n_chi, 360.0)
    if name in BINNED:
        period[-1] = BINNED[name][1]
    phase = np.exp(2j * np.pi * chi / period).mean(axis=(0, 1))
    mean = np.angle(phase) * period / (2 * np.pi)
    weight = p / p.sum(axis=(0, 1))
    return {
        f"{name}_cost": np.clip(np.round(-10 * np.log(np.maximum(p, 1e-11))), 0, 255).astype(np.uint8),
        f"{name}_chi": np.round(mean, 1).astype(np.float32),
        f"{name}_shift": np.round(fold(chi[..., 0] - mean[:, 0], period[0])).astype(np.int8),
        f"{name}_sigma": np.round((sigma * weight[..., None]).sum(axis=(0, 1)), 1).astype(np.float32),
    }


def main() -> None:
    """Convert the file named on the command line."""
    records = np.fromfile(sys.argv[1], dtype=RECORD)
    found: dict[str, np.ndarray] = {}
    start = 0
    for name, (_, n) in SIZES.items():
        stop = start + GRID * GRID * n
        found |= tables(name, records[start:stop].reshape(GRID, GRID, n))
        start = stop
    if start != len(records):
        raise SystemExit(f"{sys.argv[1]}: {len(records)} records, expected {start}")
    np.savez_compressed(Path(__file__).with_name("backbone_rotamers.npz"), allow_pickle=False, **found)


if __name__ == "__main__":
    main()
