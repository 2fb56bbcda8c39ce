"""The genetic code by hand: codon tables in textbooks, counted on fingers."""

from __future__ import annotations

import pytest

from dockkit.core.codons import (
    AMINO_ACIDS,
    CODE,
    codons_of,
    is_transition,
    reach,
    read_coding_sequence,
    single_changes,
    translate,
)
from dockkit.core.errors import InputError


def test_the_code_has_61_sense_codons_and_three_stops():
    assert len(CODE) == 64
    assert codons_of("*") == ("TAA", "TAG", "TGA")
    assert codons_of("M") == ("ATG",)
    assert codons_of("W") == ("TGG",)
    assert codons_of("I") == ("ATA", "ATC", "ATT")
    assert [len(codons_of(letter)) for letter in "LSR"] == [6, 6, 6]
    assert {letter for letter in CODE.values() if letter != "*"} == set(AMINO_ACIDS)


def test_transitions_stay_within_purines_and_pyrimidines():
    assert is_transition("A", "G")
    assert is_transition("T", "C")
    assert not is_transition("A", "C")
    assert not is_transition("G", "T")
    assert not is_transition("A", "A")
    assert sum(transition for _, transition in single_changes("ACT")) == 3
    assert len(list(single_changes("ACT"))) == 9


def test_t315i_is_one_transition_of_its_codon():
    # ABL1 Thr 315 is ACT; ATT is Ile: C to T at the second base, a transition; 4 of 3 (4 + 2) = 18.
    found = reach("T", "I", codon="ACT", transition_rate=4.0)
    assert (found.nucleotides, found.codons) == (1, ("ACT",))
    assert found.probability == pytest.approx(4 / 18)
    # from ACA and ACC too; from ACG the change gives ATG, Met
    spread = reach("T", "I", transition_rate=4.0)
    assert spread.probability == pytest.approx(3 / 4 * 4 / 18)
    assert (spread.low, spread.high) == (0.0, pytest.approx(4 / 18))
    assert reach("T", "M", codon="ACG").probability == pytest.approx(4 / 18)


def test_serine_to_phenylalanine_and_two_nucleotides():
    # TCT to TTT is one transition; AGT to TTT takes two changes.
    assert reach("S", "F", codon="TCT").nucleotides == 1
    assert reach("S", "F", codon="AGT").nucleotides == 2
    assert reach("S", "F", codon="AGT").probability == 0.0
    assert reach("M", "Y").nucleotides == 3  # ATG to TAT or TAC: every base


def test_what_a_codon_can_become_adds_up_to_one():
    for codon, letter in CODE.items():
        if letter == "*":
            continue
        changed = [CODE[other] for other, _ in single_changes(codon)]
        found = {m: reach(letter, m, codon=codon, transition_rate=2.5).probability for m in AMINO_ACIDS}
        stops = sum((2.5 if t else 1.0) for other, t in single_changes(codon) if CODE[other] == "*") / 13.5
        assert sum(found.values()) + stops == pytest.approx(1.0)
        assert {m for m, p in found.items() if p > 0} == set(changed) - {"*"}


def test_a_codon_of_another_residue_is_refused():
    with pytest.raises(InputError, match="codes for T, not for S"):
        reach("S", "F", codon="ACT")
    with pytest.raises(InputError, match="not one of the twenty"):
        reach("T", "*")


PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEV"
CDS = "".join({letter: codons_of(letter)[0] for letter in AMINO_ACIDS}[letter] for letter in PROTEIN)


def test_a_coding_sequence_gives_each_residue_its_codon(tmp_path):
    path = tmp_path / "cds.fasta"
    path.write_text(">made up\n" + "\n".join(CDS[k : k + 50] for k in range(0, len(CDS), 50)) + "\nTAA\n")
    codons = read_coding_sequence(path, PROTEIN, "MADEUP")
    assert len(codons) == len(PROTEIN)
    assert translate("".join(codons[n] for n in sorted(codons))) == PROTEIN


def test_the_frame_and_the_place_are_found(tmp_path):
    path = tmp_path / "transcript.fasta"
    path.write_text(">part, with what stands before it, as RNA\nGG" + CDS[9:].replace("T", "U").lower() + "\n")
    codons = read_coding_sequence(path, PROTEIN, "MADEUP")
    assert min(codons) == 4
    assert codons[4] == CDS[9:12]
    assert codons[len(PROTEIN)] == CDS[-3:]


def test_a_variant_codon_is_unknown_and_another_gene_is_refused(tmp_path):
    path = tmp_path / "cds.fasta"
    path.write_text(">one variant\n" + CDS[:-3] + "GGG")
    assert len(PROTEIN) not in read_coding_sequence(path, PROTEIN, "MADEUP")
    path.write_text(">protein\n" + PROTEIN)
    with pytest.raises(InputError, match="not a nucleotide sequence"):
        read_coding_sequence(path, PROTEIN, "MADEUP")
    path.write_text(">other\n" + "ACGT" * 60)
    with pytest.raises(InputError, match="is not MADEUP"):
        read_coding_sequence(path, PROTEIN, "MADEUP")
    path.write_text(">a\n" + CDS + "\n>b\n" + CDS)
    with pytest.raises(InputError, match="2 sequences"):
        read_coding_sequence(path, PROTEIN, "MADEUP")
    with pytest.raises(InputError, match="cannot be read"):
        read_coding_sequence(tmp_path / "none.fasta", PROTEIN, "MADEUP")
