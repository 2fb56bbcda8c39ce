"""The profiles of kinase families, built from ``structures/kinase_profiles.sto``.

Each block of that file is an alignment of one family with a reference line: ``P`` marks the columns of the pocket
positions in order, ``E`` the Glu of the APE motif, ``x`` the other match columns, ``.`` insertions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, MSAFile, TextMSA, TextSequence
from pyhmmer.plan7 import HMM, Background, Builder, Pipeline

from dockkit.core.errors import StoreError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import FloatArray, IntArray
from dockkit.kinase.alignment import GAP, UNKNOWN, Model, encode

PROTEIN_KINASE = "protein kinase"
FILE_NAME = "kinase_profiles.sto"

_SEED = 42
_MAX_LENGTH = 100_000
_MAX_E_VALUE = 1.0e-3
_LOOSE_E_VALUE = 1.0e-2
_MAX_INSERT = 600
_USUAL_INSERT = 150
_MIN_COLUMNS = 50
_SURE_E_VALUE = 1.0e-6
_OVERLAP = 15
_LOG_ZERO = -30.0
# Pocket positions after which residues may be inserted: the pocket is made of these blocks, and of the 121 kinases of
# the table none but AURKB (between 31 and 32) and PIM1 (49 and 50) breaks another.
_JOINTS = frozenset({13, 19, 31, 32, 41, 49, 59, 78})
_RARE_JOINTS = frozenset({31, 49})
_INSIDE, _RARE, _LOST = -12.0, -5.0, -8.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A family's profile and the alignment that it was built from.

    Parameters
    ----------
    family : str
    hmm : HMM
    model : Model
    members : tuple of str
        Names of the aligned sequences, ``GENE_ACCESSION/first-last``.
    letters : (n_members, m) int
        What each member has in each column, ``GAP`` for none.
    background : (20,) float
        Frequencies of the residues anywhere.
    ape : int
        Column of the Glu of APE, -1 where it is not marked.
    """

    family: str
    hmm: HMM[Any]
    model: Model
    members: tuple[str, ...]
    letters: IntArray
    background: FloatArray
    ape: int


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a profile fits a sequence: places from 0, both ends included; columns of the profile likewise."""

    first: int
    last: int
    from_column: int
    to_column: int
    score_bits: float
    e_value: float


def build_hmm(name: str, rows: list[tuple[str, str]], reference: str) -> HMM[Any]:
    """Build a profile from an alignment whose match columns are marked.

    Parameters
    ----------
    name : str
    rows : list of (name, aligned sequence)
        ``-`` for a gap.
    reference : str
        One character a column, ``.`` where it is an insertion.

    Returns
    -------
    HMM
    """
    msa = TextMSA(name=name, sequences=[TextSequence(name=member, sequence=text) for member, text in rows])
    msa.reference = reference
    alphabet = Alphabet.amino()
    builder = Builder(alphabet, architecture="hand", seed=_SEED)
    hmm, _, _ = builder.build_msa(msa.digitize(alphabet), Background(alphabet))
    return hmm


def _stiffen(transitions: FloatArray, pocket: IntArray, lacking: NDArray[np.bool_]) -> None:
    """Keep, in place, the blocks of the pocket whole: nothing inserted, nothing lost that no member lacks."""
    for position in range(1, len(pocket)):
        if position not in _JOINTS:
            transitions[pocket[position - 1], 1] = min(transitions[pocket[position - 1], 1], _INSIDE)
        elif position in _RARE_JOINTS:
            transitions[pocket[position - 1], 1] = _RARE
    for position in range(2, len(pocket) + 1):
        if not lacking[position - 1]:
            before = pocket[position - 1] - 1
            transitions[before, (2, 6)] = np.minimum(transitions[before, (2, 6)], _LOST)


def make_model(
    hmm: HMM[Any], pocket: IntArray, background: FloatArray, lacking: NDArray[np.bool_] | None = None
) -> Model:
    """Turn a profile into scores for :func:`dockkit.kinase.alignment.align`.

    Parameters
    ----------
    hmm : HMM
    pocket : (p,) int
        Columns of the pocket positions.
    background : (20,) float
    lacking : (p,) bool, optional
        Which pocket positions some member lacks; with it, the blocks of the pocket must stay whole.

    Returns
    -------
    Model
    """
    scores = cast(Any, hmm)  # the stubs of pyhmmer lack the two attributes
    match = np.array(scores.match_emissions, dtype=np.float64)[1:]
    emissions = np.full((len(match), UNKNOWN + 1), -0.5)
    emissions[:, :UNKNOWN] = np.log(match / background)
    with np.errstate(divide="ignore"):
        transitions = np.maximum(np.log(np.array(scores.transition_probabilities, dtype=np.float64)), _LOG_ZERO)[1:]
    long_insert = np.ones(len(match), dtype=bool)
    if lacking is not None and len(pocket):
        _stiffen(transitions, pocket, lacking)
        inside = [position for position in range(2, len(pocket) + 1) if position - 1 not in _JOINTS]
        long_insert[pocket[np.array(inside) - 1]] = False
    return Model(emissions, transitions, pocket, long_insert)


def _profile(msa: TextMSA, leave_out: frozenset[str]) -> Profile:
    family, reference = _family_of(msa), msa.reference or ""
    columns = np.flatnonzero(np.array(list(reference)) != ".")
    marks = np.array(list(reference))[columns]
    texts = [text.upper().replace(".", "-") for text in msa.alignment]
    rows = [row for row in zip(msa.names, texts, strict=True) if row[0].partition("_")[0] not in leave_out]
    hmm = build_hmm(family, rows, reference)
    frequencies = np.array(Background(Alphabet.amino()).residue_frequencies, dtype=np.float64)
    pocket, ape = np.flatnonzero(marks == "P"), np.flatnonzero(marks == "E")
    letters = np.array([encode(text)[columns] for _, text in rows])
    return Profile(
        family=family,
        hmm=hmm,
        model=make_model(hmm, pocket, frequencies, (letters[:, pocket] == GAP).any(axis=0)),
        members=tuple(member for member, _ in rows),
        letters=letters,
        background=frequencies,
        ape=int(ape[0]) if len(ape) else -1,
    )


def _family_of(msa: TextMSA) -> str:
    return (msa.name or "").replace("_", " ")


@lru_cache(maxsize=1)
def _alignments() -> dict[str, TextMSA]:
    path = library_dir("structures") / FILE_NAME
    try:
        with MSAFile(path, format="stockholm") as stream:
            blocks = list(stream)
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: the profiles of kinases cannot be read ({error}); install dockkit again") from error
    return {_family_of(msa): msa for msa in blocks}


def families() -> tuple[str, ...]:
    """Return the names of the families, protein kinases first.

    Raises
    ------
    StoreError
        The file of profiles is missing or cannot be read.
    """
    return tuple(_alignments())


@lru_cache(maxsize=16)
def load_profile(family: str, leave_out: frozenset[str] = frozenset()) -> Profile:
    """Return the profile of a family, built at its first use.

    Parameters
    ----------
    family : str
        One of :func:`families`.
    leave_out : frozenset of str
        Genes to build it without; a family of which nothing would be left keeps all.

    Returns
    -------
    Profile

    Raises
    ------
    StoreError
        The file of profiles is missing or cannot be read.
    """
    msa = _alignments()[family]
    members = {name.partition("_")[0] for name in msa.names}
    return _profile(msa, leave_out if members - leave_out else frozenset())


def _joined(hits: list[Hit]) -> Iterator[Hit]:
    """Join hits that are pieces of one domain, parted by a long insertion."""
    waiting: Hit | None = None
    for hit in sorted(hits, key=lambda item: item.first):
        follows = (
            waiting is not None
            and hit.from_column > waiting.to_column - _OVERLAP
            and 0 <= hit.first - waiting.last + _OVERLAP <= _MAX_INSERT
            and (hit.first - waiting.last <= _USUAL_INSERT or max(hit.e_value, waiting.e_value) <= _SURE_E_VALUE)
        )
        if waiting is not None and follows:
            score, chance = waiting.score_bits + hit.score_bits, waiting.e_value * hit.e_value
            waiting = Hit(waiting.first, hit.last, waiting.from_column, hit.to_column, score, chance)
        else:
            if waiting is not None:
                yield waiting
            waiting = hit
    if waiting is not None:
        yield waiting


def find_hits(profile: Profile, sequence: str) -> list[Hit]:
    """Find a family's domains in a sequence.

    Parameters
    ----------
    profile : Profile
    sequence : str
        One-letter codes, X for anything unusual.

    Returns
    -------
    list of Hit
        In order; E-values are for a search of one sequence and at most 0.001; at least 50 columns each.

    Raises
    ------
    StructureError
        The sequence is longer than any protein.
    """
    if len(sequence) > _MAX_LENGTH:
        raise StructureError(f"a sequence of {len(sequence)} residues is longer than any protein; check the input")
    if not sequence:
        return []
    alphabet = Alphabet.amino()
    query = TextSequence(name="query", sequence=sequence).digitize(alphabet)
    search = Pipeline(alphabet, Z=1, domZ=1, E=10.0, domE=10.0, F1=0.2, F2=0.1, F3=0.01, seed=_SEED)
    found = [
        Hit(
            int(domain.env_from) - 1,
            int(domain.env_to) - 1,
            int(domain.alignment.hmm_from) - 1,
            int(domain.alignment.hmm_to) - 1,
            float(domain.score),
            float(domain.i_evalue),
        )
        for hit in search.search_hmm(profile.hmm, DigitalSequenceBlock(alphabet, [query]))
        for domain in hit.domains
        if domain.i_evalue <= _LOOSE_E_VALUE
    ]
    return [
        hit
        for hit in _joined(found)
        if hit.e_value <= _MAX_E_VALUE and hit.to_column - hit.from_column + 1 >= _MIN_COLUMNS
    ]
