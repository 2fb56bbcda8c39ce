"""Missing stretches: closing is exact, what is built is sound, what cannot be built is left with its reason."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dockkit.core.geometry import dihedral
from dockkit.core.library import library_dir
from dockkit.core.rings import count_piercings, pierced, residue_rings
from dockkit.kinase import load_kinase
from dockkit.structure import read_structure
from dockkit.structure.closure import (
    CLOSED,
    Internal,
    backbone_internal,
    close,
    grow,
    place_betas,
    place_oxygens,
)
from dockkit.structure.fragments import (
    CLASSES,
    fitting_windows,
    fragment_library,
    superposed_rmsd,
    torsion_score,
)
from dockkit.structure.homology import polymer
from dockkit.structure.loops import MAX_DRAWN, build_loops
from dockkit.structure.states import crystal_receptor

HEXAGON = np.array([[np.cos(a), np.sin(a), 0.0] for a in np.radians(range(0, 360, 60))]) * 1.4


@pytest.fixture(scope="module")
def abl1():
    kinase = load_kinase("ABL1")
    raw = read_structure(library_dir("structures") / "abl1-1iep.cif.gz")
    receptor = crystal_receptor(raw, name="abl1", kinase=kinase, numbers=raw.author_numbers)
    return polymer(receptor)


@pytest.fixture(scope="module")
def backbone(abl1):
    return np.array([[residue.xyz[name] for name in ("N", "CA", "C")] for residue in abl1])


def without(residues, first, last):
    """Copy the chain without residues first..last (UniProt), the segment rising there."""
    return [
        dataclasses.replace(r, xyz=dict(r.xyz), segment=int(r.uniprot > last))
        for r in residues
        if not first <= r.uniprot <= last
    ]


def sequence_of(residues, kinase="ABL1"):
    letters = list(load_kinase(kinase).sequence)
    for residue in residues:
        if residue.uniprot == 336:
            letters[335] = "S"
    return "".join(letters)


def by_number(residues):
    return {residue.uniprot: residue for residue in residues}


def rmsd(one, other, first, last):
    a, b = by_number(one), by_number(other)
    squares = [((a[n].xyz[k] - b[n].xyz[k]) ** 2).sum() for n in range(first, last + 1) for k in ("N", "CA", "C")]
    return float(np.sqrt(np.mean(squares)))


# --------------------------------------------------------------------------------------------------------- closure


def test_a_chain_grown_from_its_own_internal_coordinates_is_itself(backbone):
    stretch = backbone[50:58]
    grown = grow(stretch[0], backbone_internal(stretch[None]))
    assert np.abs(grown[0] - stretch.reshape(-1, 3)).max() < 1e-9


def test_disturbed_chains_close_on_the_fixed_end(backbone):
    stretch = backbone[60:68]
    internal = backbone_internal(stretch[None])
    rng = np.random.default_rng(3)
    noise = rng.normal(scale=40.0, size=(50, internal.torsions.shape[1]))
    noise[:, 1::3] = 0.0
    start = Internal(internal.lengths, np.repeat(internal.angles, 50, 0), internal.torsions + noise)
    closed, atoms, misses = close(stretch[0], start, stretch[-1])
    assert (misses < CLOSED).mean() > 0.9
    good = misses < CLOSED
    assert np.abs(atoms[good][:, -3:] - stretch[-1]).max() < 3 * CLOSED
    bonds = np.linalg.norm(np.diff(atoms[good], axis=1), axis=-1)[:, 2:]
    assert np.allclose(bonds, internal.lengths, atol=1e-9), "closing turns, it does not stretch"
    assert np.abs(closed.angles[good] - internal.angles).max() < 25.0


def test_oxygens_and_betas_stand_where_crystals_have_them(abl1, backbone):
    oxygens = place_oxygens(backbone[None])[0]
    seen = np.array([residue.xyz["O"] for residue in abl1])[:-1]
    assert np.median(np.linalg.norm(oxygens - seen, axis=1)) < 0.1
    betas = place_betas(backbone[None])[0]
    gaps = [np.linalg.norm(betas[i] - r.xyz["CB"]) for i, r in enumerate(abl1) if "CB" in r.xyz]
    assert np.median(gaps) < 0.12
    assert max(gaps) < 0.6


# ------------------------------------------------------------------------------------------------------- fragments


def test_superposed_rmsd_knows_translation_rotation_and_handedness():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(9, 3))
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    moved = points @ turn + [3.0, -2.0, 7.0]
    assert superposed_rmsd(moved[None], points)[0] < 1e-6
    assert superposed_rmsd((points * [1, 1, -1])[None], points)[0] > 0.1


def test_the_library_finds_its_own_stretch_and_can_be_kept_from_it():
    library = fragment_library()
    first = int(np.flatnonzero((library.entries == "cdk2-1h1q") & (library.numbers == 60))[0])
    flanks = library.backbone[first : first + 4], library.backbone[first + 9 : first + 13]
    found, fit = fitting_windows(*flanks, 5)
    assert found[0] == first
    assert fit[0] < 1e-5
    other, fit = fitting_windows(*flanks, 5, library.kinases == library.kinases[first])
    assert (library.kinases[other] != library.kinases[first]).all()
    assert fit[0] > 0.05


def test_torsion_maps_know_helix_strand_and_glycine():
    general, glycine = CLASSES.index("general"), CLASSES.index("G")

    def score(phi, psi, kind):
        return float(torsion_score(np.array([[phi]]), np.array([[psi]]), np.array([kind]))[0, 0])

    assert score(-63.0, -42.0, general) > score(-120.0, 130.0, general) > 0.0 > score(60.0, -120.0, general)
    assert score(85.0, 5.0, glycine) > score(85.0, 5.0, general)


# ----------------------------------------------------------------------------------------------------------- rings


def test_a_bond_through_a_ring_is_seen_and_others_are_not():
    starts = np.array([[0, 0, -0.7], [3.0, 0, -0.7], [0, 0, 0.3], HEXAGON[0], [0.4, 0.3, 0.7]])
    ends = np.array([[0, 0, 0.7], [3.0, 0, 0.7], [0, 0, 1.5], HEXAGON[0] * 2.0, [0.4, 0.3, -0.7]])
    assert pierced(HEXAGON, starts, ends).tolist() == [True, False, False, False, True]
    assert count_piercings([HEXAGON, HEXAGON + [50.0, 0, 0]], starts, ends) == 2


def test_crystal_rings_are_not_pierced(abl1):
    rings = [ring for residue in abl1 for ring in residue_rings(residue.name, residue.xyz)]
    assert len(rings) > 40
    bonds = [(r.xyz["N"], r.xyz["CA"]) for r in abl1] + [(r.xyz["CA"], r.xyz["C"]) for r in abl1]
    starts, ends = (np.array([bond[side] for bond in bonds]) for side in (0, 1))
    assert count_piercings(rings, starts, ends) == 0


# ------------------------------------------------------------------------------------------------------- build_loops


@pytest.mark.parametrize(("first", "last"), [(331, 333), (421, 424), (456, 460)])
def test_a_loop_cut_out_is_built_again(abl1, first, last):
    cut = without(abl1, first, last)
    built, changes = build_loops(cut, sequence_of(abl1), excluded_kinases=frozenset({"P00519"}), seed=1)
    assert [r.uniprot for r in built] == [r.uniprot for r in abl1]
    assert [r.name for r in built] == [r.name for r in abl1]
    assert {r.segment for r in built} == {0}
    assert sorted({c.kind for c in changes}) == ["loop"]
    assert {c.uniprot_number for c in changes} >= set(range(first, last + 1))
    assert rmsd(built, abl1, first, last) < 1.5
    chain = by_number(built)
    for n in range(first - 2, last + 2):
        a, b = chain[n].xyz, chain[n + 1].xyz
        assert np.linalg.norm(b["N"] - a["C"]) == pytest.approx(1.33, abs=0.05)
        assert abs(dihedral(a["CA"], a["C"], b["N"], b["CA"])) > 150.0
        assert np.linalg.norm(a["O"] - a["C"]) == pytest.approx(1.23, abs=0.03)
    touched = {c.uniprot_number for c in changes}
    for old, new in zip(abl1, built, strict=True):
        if old.uniprot not in touched:
            assert all(np.array_equal(new.xyz[name], old.xyz[name]) for name in old.xyz if name != "O")


def test_the_same_seed_gives_the_same_loop(abl1):
    runs = [build_loops(without(abl1, 274, 277), sequence_of(abl1), seed=5)[0] for _ in range(2)]
    assert rmsd(*runs, 274, 277) == 0.0


def test_a_loop_keeps_clear_of_what_else_is_there(abl1):
    occupied = by_number(abl1)[276].xyz["CA"]
    built, _ = build_loops(without(abl1, 274, 277), sequence_of(abl1), others=occupied[None])
    chain = by_number(built)
    if 276 in chain:
        gaps = [np.linalg.norm(xyz - occupied) for n in range(274, 278) for xyz in chain[n].xyz.values()]
        assert min(gaps) > 1.9


def test_long_gaps_and_unknown_sequences_are_left_with_a_reason(abl1):
    cut = without(abl1, 380, 399)
    built, changes = build_loops(cut, sequence_of(abl1))
    assert len(built) == len(cut)
    assert len({r.segment for r in built}) == 2
    assert [c.kind for c in changes] == ["break"]
    assert "20 residues absent" in changes[0].what
    assert "longer than" in changes[0].why
    _, changes = build_loops(without(abl1, 274, 277), "")
    assert changes[0].kind == "break"
    assert "sequence" in changes[0].why


def test_ends_too_far_apart_are_refused(abl1):
    cut = without(abl1, 340, 352)
    for residue in cut:
        if residue.uniprot > 352:
            residue.uniprot -= 12
            residue.number -= 12
    built, changes = build_loops(cut, "A" * 600)
    assert len(built) == len(cut)
    assert changes[0].kind == "break"


def test_a_stretch_that_no_bundled_structure_has_is_built_only_when_short(abl1):
    cut = without(abl1, 245, 256)
    _, changes = build_loops(
        cut, sequence_of(abl1), excluded_kinases=frozenset(fragment_library().kinases.tolist()[1:])
    )
    assert {c.kind for c in changes} <= {"break"}
    assert str(MAX_DRAWN) in changes[0].why or "fits" in changes[0].why or "ends" in changes[0].why


def test_the_deposited_sequence_decides_over_the_natural_one(abl1):
    # The construct lacks 275-276 of a four-residue gap: two letters are missing, numbered from either side.
    residues = without(abl1, 274, 277)
    names = {r.uniprot: r.name for r in abl1}
    seqres = tuple(names[n] for n in sorted(names) if n not in (275, 276))
    _, changes = build_loops(residues, sequence_of(abl1), seqres=seqres)
    loops = [c for c in changes if c.kind == "loop" and c.what.startswith("missing")]
    if loops:
        assert [c.uniprot_number for c in loops] == [274, 277]
    else:
        assert "2 residues absent" in changes[0].what
