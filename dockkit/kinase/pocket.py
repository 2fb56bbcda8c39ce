"""The 85 pocket positions of a domain from its sequence alone, by profile and by the closest known kinases."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dockkit.core.model import FloatArray, IntArray
from dockkit.kinase.alignment import GAP, LETTERS, UNKNOWN, Model, align
from dockkit.kinase.profiles import PROTEIN_KINASE, Hit, Profile

_MARGIN = 30
_NEIGHBOURS = 5
_NEIGHBOUR_WEIGHT = 0.35
_SHARPNESS = 15.0
_MIN_SHARED = 60
_MIN_SIMILARITY = 0.3
_GAP_PROBABILITY = 0.9

# BLOSUM62 (Henikoff & Henikoff, Proc. Natl. Acad. Sci. USA 1992, 89, 10915-10919), half bits, in the order of LETTERS.
_BLOSUM62 = """
 4  0 -2 -1 -2  0 -2 -1 -1 -1 -1 -2 -1 -1 -1  1  0  0 -3 -2
 0  9 -3 -4 -2 -3 -3 -1 -3 -1 -1 -3 -3 -3 -3 -1 -1 -1 -2 -2
-2 -3  6  2 -3 -1 -1 -3 -1 -4 -3  1 -1  0 -2  0 -1 -3 -4 -3
-1 -4  2  5 -3 -2  0 -3  1 -3 -2  0 -1  2  0  0 -1 -2 -3 -2
-2 -2 -3 -3  6 -3 -1  0 -3  0  0 -3 -4 -3 -3 -2 -2 -1  1  3
 0 -3 -1 -2 -3  6 -2 -4 -2 -4 -3  0 -2 -2 -2  0 -2 -3 -2 -3
-2 -3 -1  0 -1 -2  8 -3 -1 -3 -2  1 -2  0  0 -1 -2 -3 -2  2
-1 -1 -3 -3  0 -4 -3  4 -3  2  1 -3 -3 -3 -3 -2 -1  3 -3 -1
-1 -3 -1  1 -3 -2 -1 -3  5 -2 -1  0 -1  1  2  0 -1 -2 -3 -2
-1 -1 -4 -3  0 -4 -3  2 -2  4  2 -3 -3 -2 -2 -2 -1  1 -2 -1
-1 -1 -3 -2  0 -3 -2  1 -1  2  5 -2 -2  0 -1 -1 -1  1 -1 -1
-2 -3  1  0 -3  0  1 -3  0 -3 -2  6 -2  0  0  1  0 -3 -4 -2
-1 -3 -1 -1 -4 -2 -2 -3 -1 -3 -2 -2  7 -1 -2 -1 -1 -2 -4 -3
-1 -3  0  2 -3 -2  0 -3  1 -2  0  0 -1  5  1  0 -1 -2 -2 -1
-1 -3 -2  0 -3 -2  0 -3  2 -2 -1  0 -2  1  5 -1 -1 -3 -3 -2
 1 -1  0  0 -2  0 -1 -2  0 -2 -1  1 -1  0 -1  4  1 -2 -3 -2
 0 -1 -1 -1 -2 -2 -2 -1 -1 -1 -1  0 -1 -1 -1  1  5  0 -2 -2
 0 -1 -3 -2 -1 -3 -3  3 -2  1  1 -3 -2 -2 -3 -2  0  4 -3 -1
-3 -2 -4 -3  1 -2 -2 -3 -3 -2 -1 -4 -4 -2 -3 -3 -2 -3 11  2
-2 -2 -3 -2  3 -3  2 -1 -2 -1 -1 -2 -3 -1 -2 -2 -2 -1  2  7
"""
_BLOSUM62_SCALE = 0.3176


@dataclass(frozen=True, slots=True)
class Placement:
    """A domain laid over its family's profile.

    Parameters
    ----------
    first, last : int
        Places in the sequence, from 0, both included.
    pocket : (85,) int
        Place of each pocket position, -1 for none; empty where the family has no pocket.
    ape : int
        Place of the Glu of APE, -1 for none.
    closest : str
        Gene of the most similar member.
    identity : float
        With it, over the columns that both have.
    """

    first: int
    last: int
    pocket: IntArray
    ape: int
    closest: str
    identity: float


@cache
def _substitutions(background: tuple[float, ...]) -> FloatArray:
    """Probability of each residue (columns) where a relative has another (rows), (20, 20)."""
    scores = np.array(_BLOSUM62.split(), dtype=np.float64).reshape(len(LETTERS), len(LETTERS))
    joint = np.exp(scores * _BLOSUM62_SCALE) * np.outer(background, background)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _similarity(profile: Profile, query: IntArray) -> FloatArray:
    """Identity of each member with the query, both by column; few shared columns count as differences."""
    both = (profile.letters < UNKNOWN) & (query < UNKNOWN)[None, :]
    same = ((profile.letters == query) & both).sum(axis=1)
    return np.asarray(same / np.maximum(_MIN_SHARED, both.sum(axis=1)))


def _towards_neighbours(profile: Profile, similarity: FloatArray) -> Model:
    """Mix what the closest members have in each column into the profile's scores."""
    model, background = profile.model, profile.background
    closest = np.argsort(-similarity, kind="stable")[:_NEIGHBOURS]
    weights = np.exp((similarity[closest] - similarity[closest[0]]) * _SHARPNESS)
    weights /= weights.sum()
    likely = _substitutions(tuple(background))
    mixed, filled = np.zeros((len(model.emissions), UNKNOWN)), np.zeros(len(model.emissions))
    for member, weight in zip(closest, weights, strict=True):
        there = profile.letters[member] < UNKNOWN
        mixed[there] += weight * likely[profile.letters[member][there]]
        filled[there] += weight
    share = (_NEIGHBOUR_WEIGHT * filled)[:, None]
    own = np.exp(model.emissions[:, :UNKNOWN]) * background
    emissions, transitions = model.emissions.copy(), model.transitions.copy()
    near = mixed / np.maximum(filled, 1e-9)[:, None]
    emissions[:, :UNKNOWN] = np.log(((1.0 - share) * own + share * near) / background)
    if similarity[closest[0]] >= _MIN_SIMILARITY:
        lacking = (profile.letters[:, model.pocket] == GAP).any(axis=0) & (filled[model.pocket] < 0.5)
        for column in model.pocket[lacking]:
            gap = min(1.0 - filled[column], _GAP_PROBABILITY)
            transitions[column - 1, 2], transitions[column - 1, 0] = np.log(gap), np.log(1.0 - gap)
    return dataclasses.replace(model, emissions=emissions, transitions=transitions)


def place_domain(
    profile: Profile, hit: Hit, codes: IntArray, breaks: NDArray[np.bool_], limits: tuple[int, int]
) -> Placement:
    """Lay a domain over its profile.

    Parameters
    ----------
    profile : Profile
    hit : Hit
        Where HMMER found the domain.
    codes : (n,) int
        The whole sequence, encoded.
    breaks : (n,) bool
        The chain is broken before the residue.
    limits : tuple of int
        First and last place that belongs to no other domain.

    Returns
    -------
    Placement
    """
    n_columns = len(profile.model.emissions)
    first = max(limits[0], hit.first - hit.from_column - _MARGIN, 0)
    last = min(limits[1], hit.last + n_columns - hit.to_column + _MARGIN, len(codes) - 1)
    part, broken = codes[first : last + 1], breaks[first : last + 1]
    _, columns = align(profile.model, part, broken)
    similarity = _similarity(profile, _by_column(columns, part, n_columns))
    if profile.family == PROTEIN_KINASE:
        _, columns = align(_towards_neighbours(profile, similarity), part, broken)
        similarity = _similarity(profile, _by_column(columns, part, n_columns))
    where = np.full(n_columns + 1, -1)
    used = np.flatnonzero(columns >= 0)
    where[columns[used]] = used + first
    best = int(similarity.argmax())
    return Placement(
        first=int(used[0]) + first,
        last=int(used[-1]) + first,
        pocket=where[profile.model.pocket],
        ape=int(where[profile.ape]),
        closest=profile.members[best].partition("_")[0],
        identity=float(similarity[best]),
    )


def _by_column(columns: IntArray, codes: IntArray, n_columns: int) -> IntArray:
    query = np.full(n_columns, GAP)
    used = columns >= 0
    query[columns[used]] = codes[used]
    return query
