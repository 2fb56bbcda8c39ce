"""Candidate backbones for a gap: homologous fragments and drawn torsions, closed, scored against what is around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dockkit.core.geometry import angle_difference, unit_vector
from dockkit.core.model import FloatArray, IntArray, StrArray
from dockkit.structure.closure import (
    CLOSED,
    IDEAL_ANGLES,
    IDEAL_LENGTHS,
    Internal,
    backbone_internal,
    close,
    place_betas,
    place_oxygens,
)
from dockkit.structure.fragments import (
    draw_torsions,
    fitting_windows,
    fragment_library,
    residue_class,
    torsion_score,
)

N_FRAGMENTS: Final = 60
N_DRAWN: Final = 400
N_REFINED: Final = 40
REFINEMENTS: Final = ((20.0, 4), (8.0, 4))
"""Rounds of refinement: spread of the torsions' change in degrees, and copies of each chain."""

FLANKS: Final = 4
"""Residues on either side whose fit tells how alike a fragment's surroundings are."""

CONTEXT_LIMIT: Final = 3.0
"""Flanks that fit worse, Angstrom, give no better start than drawn torsions."""

RADII: Final = {"C": 1.65, "N": 1.45, "O": 1.40, "S": 1.75}
DEFAULT_RADIUS: Final = 1.6
HYDROGEN_BOND: Final = 2.75
"""N and O, and O and O, may come this near, Angstrom."""

REACH: Final = {"A": 0.0, "S": 0.4, "C": 0.5, "T": 0.5, "V": 0.5, "P": 0.7, "D": 1.0, "N": 1.0, "I": 1.0, "L": 1.1,
                "E": 1.6, "Q": 1.6, "M": 1.5, "H": 1.7, "K": 2.0, "F": 1.9, "Y": 2.3, "W": 2.3, "R": 2.6}  # fmt: skip
"""How far beyond CB the middle of the side chain lies, Angstrom."""

NEIGHBOURS: Final = 8
NEIGHBOUR_DISTANCE: Final = 3.5
BULK_DISTANCE: Final = 3.4
BURIAL_DISTANCE: Final = 7.0
"""Angstrom: nearest approach of the middle of a side chain, and what counts as around it."""

OILY: Final = frozenset("AVILMFWYC")

WEIGHTS: Final = {"clash": 3.0, "bulk": 1.0, "torsion": 0.5, "bond": 1.0, "oily": 0.02, "context": 2.0, "strain": 1.0}
LARGEST_ANGLE_STRAIN: Final = 9.0
LARGEST_OMEGA_STRAIN: Final = 22.0
"""Degrees by which a closed chain may leave the ideal angles and the planar peptide."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Heavy atoms around a gap.

    Parameters
    ----------
    xyz : (m, 3) float
        Angstrom.
    radii : (m,) float
    polar : (m,) bool
        Nitrogen or oxygen.
    acceptors, donors : (m,) bool
        Main-chain O, main-chain N.
    skip_first, skip_last : (m,) bool
        Atoms bonded, or nearly so, to the first or last built residue.
    """

    xyz: FloatArray
    radii: FloatArray
    polar: NDArray[np.bool_]
    acceptors: NDArray[np.bool_]
    donors: NDArray[np.bool_]
    skip_first: NDArray[np.bool_]
    skip_last: NDArray[np.bool_]
    tree: cKDTree

    def nearest(self, points: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return distances to, and rows of, the atoms within 3.5 A of points (k, n, 3), each (k, n, 8).

        Fewer than eight are filled up with infinity and row 0.
        """
        distances, which = self.tree.query(points, k=NEIGHBOURS, distance_upper_bound=NEIGHBOUR_DISTANCE)
        return distances, np.where(np.isfinite(distances), which, 0)


def surroundings(
    xyz: FloatArray, names: StrArray, elements: StrArray, skip_first: NDArray[np.bool_], skip_last: NDArray[np.bool_]
) -> Surroundings:
    """Describe the atoms around a gap, all arguments of length m."""
    radii = np.array([RADII.get(str(element), DEFAULT_RADIUS) for element in elements])
    polar = np.isin(elements, ("N", "O"))
    return Surroundings(xyz, radii, polar, names == "O", names == "N", skip_first, skip_last, cKDTree(xyz))


@dataclass(frozen=True, slots=True)
class Gap:
    """What a search needs to know of one gap.

    Parameters
    ----------
    letters : str
        Residues to build.
    before, after : (w, 3, 3) float
        N, CA, C of up to four residues on either side, the nearest last and first, Angstrom.
    phi_before : float
        Of the residue before, degrees; NaN where it has none.
    psi_after : float
        Of the residue after.
    letter_before, letter_after : str
    """

    letters: str
    before: FloatArray
    after: FloatArray
    phi_before: float
    psi_after: float
    letter_before: str
    letter_after: str

    @property
    def n(self) -> int:
        """Number of residues to build."""
        return len(self.letters)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Closed backbones, k of n residues.

    Parameters
    ----------
    internal : Internal
    backbone : (k, n, 3, 3) float
    oxygens : (k, n + 1, 3) float
        Carbonyl oxygens of the residue before the gap and of those built.
    scores : (k,) float
        Lower is better.
    origins : (k,) int
        Library index of the fragment it came from; -1 for drawn torsions.
    contexts : (k,) float
        Fit of the fragment's flanks, Angstrom; NaN for drawn torsions.
    """

    internal: Internal
    backbone: FloatArray
    oxygens: FloatArray
    scores: FloatArray
    origins: IntArray
    contexts: FloatArray

    def take(self, rows: IntArray) -> Candidates:
        """Return some of them."""
        internal = Internal(self.internal.lengths, self.internal.angles[rows], self.internal.torsions[rows])
        return Candidates(
            internal, self.backbone[rows], self.oxygens[rows], self.scores[rows], self.origins[rows],
            self.contexts[rows],
        )  # fmt: skip


def _lengths(gap: Gap) -> FloatArray:
    lengths = np.tile(IDEAL_LENGTHS, gap.n + 1)
    n, ca, c = gap.after[0]
    lengths[-2:] = np.linalg.norm(ca - n), np.linalg.norm(c - ca)
    return lengths


def _ideal_angles(gap: Gap, count: int) -> FloatArray:
    angles = np.tile(IDEAL_ANGLES, (count, gap.n + 1))
    n, ca, c = gap.after[0]
    cosine = float(unit_vector(n - ca) @ unit_vector(c - ca))
    angles[:, -1] = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return angles


def _drawn(gap: Gap, count: int, rng: np.random.Generator) -> Internal:
    """Chains of drawn torsions; omega 180."""
    sequence = gap.letter_before + gap.letters + gap.letter_after
    classes = _classes(sequence)
    pairs = draw_torsions(classes, count, rng)
    torsions = np.full((count, 3 * (gap.n + 1)), 180.0)
    torsions[:, 0::3] = pairs[:, :-1, 1]
    torsions[:, 2::3] = pairs[:, 1:, 0]
    return Internal(_lengths(gap), _ideal_angles(gap, count), torsions)


def _classes(sequence: str) -> IntArray:
    return np.array([residue_class(a, b) for a, b in zip(sequence, sequence[1:] + "A", strict=True)])


def _from_fragments(gap: Gap, excluded: NDArray[np.bool_] | None) -> tuple[Internal, IntArray, FloatArray]:
    library, width = fragment_library(), len(gap.before)
    first, rmsd = fitting_windows(gap.before, gap.after, gap.n, excluded)
    good = np.flatnonzero(rmsd < CONTEXT_LIMIT)[:N_FRAGMENTS]
    first, rmsd = first[good], rmsd[good]
    rows = first[:, None] + width - 1 + np.arange(gap.n + 2)
    seen = backbone_internal(library.backbone[rows]) if len(first) else None
    ideal = _ideal_angles(gap, len(first))
    torsions = seen.torsions if seen is not None else np.zeros((0, ideal.shape[1]))
    # cis peptides only before a proline of ours.
    following = gap.letters + gap.letter_after
    for i, letter in enumerate(following):
        if letter != "P":
            torsions[:, 3 * i + 1] = 180.0
    return Internal(_lengths(gap), ideal, torsions), first + width, rmsd


def _identity(gap: Gap, origins: IntArray) -> FloatArray:
    """Return for each fragment the fraction of residues alike, Gly and Pro counted twice; 0 where drawn."""
    letters = fragment_library().letters
    share = np.zeros(len(origins))
    for row, origin in enumerate(origins):
        if origin < 0:
            continue
        own = np.array(list(gap.letters))
        other = letters[origin : origin + gap.n]
        special = np.isin(own, ("G", "P")) | np.isin(other, ("G", "P"))
        share[row] = float(((own == other) * (1.0 + special)).sum() / (1.0 + special).sum())
    return share


def _closed(gap: Gap, internal: Internal, origins: IntArray, contexts: FloatArray, around: Surroundings) -> Candidates:
    internal, atoms, misses = close(gap.before[-1], internal, gap.after[0])
    ideal = _ideal_angles(gap, 1)
    omega = internal.torsions[:, 1::3]
    twisted = np.minimum(np.abs(angle_difference(omega, 180.0)), np.abs(angle_difference(omega, 0.0)))
    strain = np.abs(internal.angles - ideal).max(axis=1)
    good = (misses < CLOSED) & (strain < LARGEST_ANGLE_STRAIN) & (twisted.max(axis=1) < LARGEST_OMEGA_STRAIN)
    rows = np.flatnonzero(good)
    kept = Internal(internal.lengths, internal.angles[rows], internal.torsions[rows])
    chain = atoms[rows].reshape(len(rows), gap.n + 2, 3, 3)
    oxygens = place_oxygens(chain)
    scores = score(gap, kept, chain, oxygens, origins[rows], contexts[rows], around)
    return Candidates(kept, chain[:, 1:-1], oxygens, scores, origins[rows], contexts[rows])


def _overlap(distances: FloatArray, best: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(best - distances, 0.0) ** 2)


def _distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the distances between points (k, n, 3) and (m, 3) or (k, m, 3), (k, n, m)."""
    squares = (a**2).sum(-1)[..., :, None] + (b**2).sum(-1)[..., None, :] - 2.0 * a @ np.swapaxes(b, -1, -2)
    return np.asarray(np.sqrt(np.maximum(squares, 1e-6)))


def score(
    gap: Gap, internal: Internal, chain: FloatArray, oxygens: FloatArray, origins: IntArray, contexts: FloatArray,
    around: Surroundings,
) -> FloatArray:  # fmt: skip
    """Return how plausible each closed chain is, lower is better.

    Overlap of its main chain and CB, and of the middle of each side chain, with the surroundings and with itself; log
    density of its torsions; main-chain hydrogen bonds; oily side chains buried; strain of its angles; for fragments
    the fit of their flanks.

    Parameters
    ----------
    gap : Gap
    internal : Internal
        k chains.
    chain : (k, n + 2, 3, 3) float
        N, CA, C with the fixed residues at both ends.
    oxygens : (k, n + 1, 3) float
    origins : (k,) int
    contexts : (k,) float
    around : Surroundings

    Returns
    -------
    (k,) float
    """
    k, n = len(chain), gap.n
    if k == 0:
        return np.zeros(0)
    betas = place_betas(chain[:, 1:-1])
    heavy = np.concatenate([chain[:, 1:-1], oxygens[:, 1:, None], betas[:, :, None]], axis=2).reshape(k, 5 * n, 3)
    heavy = np.concatenate([heavy, oxygens[:, :1]], axis=1)
    owner = np.append(np.repeat(np.arange(n), 5), -1)
    kinds = np.tile(["N", "C", "C", "O", "C"], n).tolist() + ["O"]
    radii, polar = np.array([RADII[kind] for kind in kinds]), np.array([kind in "NO" for kind in kinds])
    glycine = np.array([letter == "G" for letter in gap.letters])
    present = np.append(~(np.tile(np.arange(5) == 4, n) & np.repeat(glycine, 5)), True)

    distances, which = around.nearest(heavy)
    best = radii[:, None] + around.radii[which]
    best = np.where(polar[:, None] & around.polar[which], HYDROGEN_BOND, best)
    best[:, ~present] = 0.0
    best[:, owner <= 0] *= ~around.skip_first[which[:, owner <= 0]]
    best[:, owner == n - 1] *= ~around.skip_last[which[:, owner == n - 1]]
    clash = _overlap(distances, best).sum(axis=(1, 2))

    own = _distances(heavy, heavy)
    between = np.abs(owner[:, None] - owner[None])
    far = (between >= np.where(polar[:, None] & polar[None], 3, 2)) & present[:, None] & present[None]
    own_best = np.where(polar[:, None] & polar[None], HYDROGEN_BOND, radii[:, None] + radii[None]) * far
    clash += 0.5 * _overlap(own, own_best).sum(axis=(1, 2))

    reach = np.array([REACH.get(letter, 1.0) for letter in gap.letters])
    bulk = betas + unit_vector(betas - chain[:, 1:-1, 1]) * reach[:, None]
    apart, _ = around.nearest(bulk)
    crowding = _overlap(apart, np.where(glycine[:, None], 0.0, BULK_DISTANCE)).sum(axis=(1, 2))
    oily = np.array([letter in OILY for letter in gap.letters])
    near = (around.tree.query_ball_point(bulk, BURIAL_DISTANCE, return_length=True) * oily).sum(axis=1)

    bonds = _hydrogen_bonds(owner, np.array(kinds), gap, (distances, which), own, around)
    phi = np.concatenate([np.full((k, 1), gap.phi_before), internal.torsions[:, 2::3]], axis=1)
    psi = np.concatenate([internal.torsions[:, 0::3], np.full((k, 1), gap.psi_after)], axis=1)
    sequence = gap.letter_before + gap.letters + gap.letter_after
    usable = np.isfinite(phi[0]) & np.isfinite(psi[0])
    torsion = torsion_score(np.nan_to_num(phi), np.nan_to_num(psi), _classes(sequence)) * usable
    strain = ((internal.angles - _ideal_angles(gap, 1)) ** 2).sum(axis=1) / 25.0
    strain += (angle_difference(internal.torsions[:, 1::3], 180.0) ** 2).sum(axis=1) / 150.0
    fit = np.where(np.isnan(contexts), CONTEXT_LIMIT, contexts) - 1.0 * _identity(gap, origins)
    w = WEIGHTS
    return np.asarray(
        w["clash"] * clash + w["bulk"] * crowding - w["torsion"] * torsion.sum(axis=1) - w["bond"] * bonds
        - w["oily"] * near + w["strain"] * strain + w["context"] * fit * np.sqrt(n)
    )  # fmt: skip


def _hydrogen_bonds(
    owner: IntArray, kinds: StrArray, gap: Gap, outside: tuple[FloatArray, IntArray], own: FloatArray,
    around: Surroundings,
) -> FloatArray:  # fmt: skip
    """Return the number of main-chain N-O contacts of 2.5 to 3.3 A, (k,) float; proline gives none."""
    proline = np.array([letter == "P" for letter in gap.letters] + [False])
    donors, acceptors = (kinds == "N") & ~proline[owner], kinds == "O"
    distances, which = outside
    close_by = (distances > 2.5) & (distances < 3.3)
    found = (close_by & (around.acceptors & ~around.skip_first)[which])[:, donors].sum(axis=(1, 2))
    found = found + (close_by & (around.donors & ~around.skip_last)[which])[:, acceptors].sum(axis=(1, 2))
    far = np.abs(owner[:, None] - owner[None]) >= 3
    inside = (far & (own > 2.5) & (own < 3.3))[:, donors][:, :, acceptors]
    return np.asarray(found + inside.sum(axis=(1, 2)), dtype=np.float64)


def _joined(parts: list[Candidates]) -> Candidates:
    internal = Internal(
        parts[0].internal.lengths,
        np.concatenate([part.internal.angles for part in parts]),
        np.concatenate([part.internal.torsions for part in parts]),
    )
    fields = ("backbone", "oxygens", "scores", "origins", "contexts")
    return Candidates(internal, *(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def search(
    gap: Gap, around: Surroundings, rng: np.random.Generator, excluded: NDArray[np.bool_] | None = None
) -> Candidates:
    """Return closed candidates for a gap, best first.

    Parameters
    ----------
    gap : Gap
    around : Surroundings
    rng : numpy.random.Generator
    excluded : (n,) bool, optional
        Residues of the fragment library that must not be used.
    """
    seen, origins, contexts = _from_fragments(gap, excluded)
    drawn = _drawn(gap, N_DRAWN, rng)
    none, unknown = np.full(N_DRAWN, -1), np.full(N_DRAWN, np.nan)
    found = _joined(
        [_closed(gap, seen, origins, contexts, around), _closed(gap, drawn, none, unknown, around)]
    )  # fmt: skip
    for spread, copies in REFINEMENTS:
        top = found.take(np.argsort(found.scores, kind="stable")[:N_REFINED])
        found = _joined([top, _shaken(gap, top, spread, copies, around, rng)])
    return found.take(np.argsort(found.scores, kind="stable"))


def _shaken(
    gap: Gap, start: Candidates, spread: float, copies: int, around: Surroundings, rng: np.random.Generator
) -> Candidates:
    torsions = np.repeat(start.internal.torsions, copies, axis=0)
    angles = np.repeat(start.internal.angles, copies, axis=0)
    noise = rng.normal(scale=spread, size=torsions.shape)
    noise[:, 1::3] = 0.0
    internal = Internal(start.internal.lengths, angles, torsions + noise)
    return _closed(gap, internal, np.repeat(start.origins, copies), np.repeat(start.contexts, copies), around)
