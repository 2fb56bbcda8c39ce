"""Scans: residues near a pose, scores redone by hand, the command with steps that cost nothing."""

from __future__ import annotations

import csv
import dataclasses

import fake_science
import pytest

from dockkit import cli
from dockkit.api import panels
from dockkit.api.panels import make_scan, run_scan
from dockkit.commands.scan import parse_residues
from dockkit.core.codons import codons_of, reach
from dockkit.core.errors import DockingError, InputError, SettingsError
from dockkit.core.model import Substitution, Variant
from dockkit.core.settings import ScanSettings
from dockkit.kinase import load_kinase
from dockkit.pipeline.scan import scan_result
from dockkit.pipeline.scan_outputs import hot_spot_pdb

RUN = {"jobs": 1, "steps": fake_science.STEPS}


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("scan") / "run"
    made = make_scan(
        "imatinib", "abl1-1iep", out=out, residues=(315, 317), run=RUN, scan_settings={"single_nucleotide": True}
    )
    return run_scan(made, **RUN), out


def test_only_what_one_nucleotide_makes_is_computed(finished):
    done, _ = finished
    # Thr is ACN: A, I, K, M, N, P, R, S; Phe is TTT or TTC: C, I, L, S, V, Y
    made = {(row.number, row.mutant) for row in done.scan.rows}
    assert made == {(315, m) for m in "AIKMNPRS"} | {(317, m) for m in "CILSVY"}
    assert [site.number for site in done.scan.residues] == [315, 317]
    assert [site.role for site in done.scan.residues] == ["gatekeeper", "hinge"]


def test_the_score_is_reachable_times_resists(finished):
    done, out = finished
    for row in done.scan.rows:
        assert row.resists == pytest.approx(row.detail.row.resistance_probability), "the study's own limit, 10-fold"
        assert row.reachable == pytest.approx(reach(row.wild_type, row.mutant).probability)
        assert row.score == pytest.approx(row.reachable * row.resists)
    scores = [row.score for row in done.scan.rows]
    assert scores == sorted(scores, reverse=True)
    assert [row.rank for row in done.scan.rows] == list(range(1, len(scores) + 1))
    for residue in done.scan.residues:
        assert residue.score == pytest.approx(sum(r.score for r in done.scan.rows if r.number == residue.number))
    table = rows_of(out / "scan.csv")
    assert [row["mutation"] for row in table] == [row.detail.row.mutation for row in done.scan.rows]
    assert float(table[0]["score"]) == pytest.approx(scores[0])
    assert len(rows_of(out / "scan_residues.csv")) == 2


def test_the_map_on_the_structure_carries_the_scores(finished):
    done, out = finished
    wanted = {residue.number: 100 * residue.score for residue in done.scan.residues}
    lines = [line for line in (out / "hot_spots.pdb").read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]
    seen = {int(line[22:26]): float(line[60:66]) for line in lines if line.startswith("ATOM")}
    assert seen[315] == pytest.approx(wanted[315], abs=0.006)
    assert seen[317] == pytest.approx(wanted[317], abs=0.006)
    assert seen[316] == 0.0
    assert all(float(line[60:66]) == 0.0 for line in lines if line.startswith("HETATM"))


def test_the_page_and_the_figures_are_there(finished):
    _, out = finished
    page = (out / "scan.html").read_text(encoding="utf-8")
    assert "every codon of a residue is taken as equally likely" in page
    assert '"heat":' in page
    assert 'src="http' not in page
    assert (out / "figures" / "scan_hotspots.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "figures" / "scan_halves.svg").is_file()


def test_a_coding_sequence_decides_what_is_reachable(tmp_path):
    kinase = load_kinase("ABL1")
    codon = {letter: codons_of(letter)[0] for letter in set(kinase.sequence)}
    bases = [codon[letter] for letter in kinase.sequence]
    bases[314] = "ACG"  # from here Met, not Ile
    path = tmp_path / "abl1.fasta"
    path.write_text(">made up codons\n" + "".join(bases) + "\n")
    made = make_scan(
        "imatinib", "abl1-1iep", out=tmp_path / "run", residues=(315,), coding_sequence=path, run=RUN,
        scan_settings={"single_nucleotide": True},
    )  # fmt: skip
    assert {mutant for _, _, mutant in made.scan.reaches} == set("AKMPRS")
    assert made.scan.codons == "Codons are those of abl1.fasta."
    with pytest.raises(InputError, match="is not ABL1"):
        make_scan("imatinib", "abl1-1iep", out=tmp_path / "run", run=RUN, coding_sequence=_other_gene(tmp_path))


def _other_gene(folder):
    kinase = load_kinase("EGFR")
    path = folder / "egfr.fasta"
    path.write_text(">egfr\n" + "".join(codons_of(letter)[0] for letter in kinase.sequence))
    return path


def test_every_substitution_near_the_pose_when_nothing_else_is_said(tmp_path):
    made = make_scan("imatinib", "abl1-1iep", out=tmp_path, run=RUN, scan_settings={"within_angstrom": 5.0})
    numbers = [site.number for site in made.scan.sites]
    assert numbers, "the fake receptor has residues 313 to 317, the fake ligand lies at their start"
    assert set(numbers) <= {313, 314, 315, 316, 317}
    assert all(site.distance <= 5.0 for site in made.scan.sites)
    assert len(made.scan.reaches) == 19 * len(numbers)
    done = run_scan(made, **RUN)
    unreachable = [row for row in done.scan.rows if row.reachable == 0]
    assert unreachable
    assert all(row.score == 0 and row.nucleotides >= 2 for row in unreachable)
    assert min(row.rank for row in unreachable) > max(row.rank for row in done.scan.rows if row.score > 0)


def test_what_cannot_be_scanned_is_told(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="has no residue 900"):
        make_scan("imatinib", "abl1-1iep", out=tmp_path, run=RUN, residues=(900,))
    with pytest.raises(InputError, match="widen --within"):
        make_scan("imatinib", "abl1-1iep", out=tmp_path, run=RUN, scan_settings={"within_angstrom": 0.01})
    with pytest.raises(DockingError, match="no pose in the box"):
        make_scan("dasatinib", "abl1-1iep", out=tmp_path, run=RUN, docking={"exhaustiveness": 1})
    with pytest.raises(SettingsError, match="give a structure"):
        make_scan("imatinib", out=tmp_path, run=RUN)
    with pytest.raises(SettingsError, match="within_angstrom"):
        make_scan("imatinib", "abl1-1iep", out=tmp_path, run=RUN, scan_settings={"within_angstrom": -1})


def test_residues_with_insertion_codes_are_told_apart(finished, tmp_path):
    plain = fake_science.receptor({}, {}, tmp_path)
    numbers, codes = [313, 314, 315, 315, 316], ["", "", "", "A", ""]
    body = dataclasses.replace(plain, author_numbers=numbers, insertion_codes=codes)
    probe = panels.probe_study("abl1-1iep", "imatinib")
    records = {"ligand": fake_science.ligand({"ligand": "imatinib"}, {}, tmp_path)}
    pose = fake_science.pose({"docking": {"exhaustiveness": 8}}, records, tmp_path)
    abl1 = load_kinase("ABL1")
    author = probe.model_copy(update={"numbering": "author"})
    sites, _ = panels.nearby_sites(body, records["ligand"], pose, abl1, author, ScanSettings(), (315,))
    assert [site.label for site in sites] == ["T315", "E315A"]
    made = panels.scan_study(author, abl1, sites, ScanSettings(single_nucleotide=True), ligand="imatinib")
    labels = {site.place: site.label for site in sites}
    assert {key[:2] for key in made.reaches} == labels.keys()
    assert "T315I" in made.study.mutations
    assert "E315AK" in made.study.mutations
    study = finished[0].run.result
    details = [
        dataclasses.replace(
            study.rows[0],
            row=dataclasses.replace(study.rows[0].row, mutation=f"{labels[key[:2]]}{key[2]}", status="ok"),
            variant=Variant((Substitution(key[0], labels[key[:2]][0], key[2], "", key[1]),)),
        )
        for key in made.reaches
    ]
    result = scan_result(dataclasses.replace(study, rows=tuple(details), numbering="author"), made, body, pose)
    assert {row.place for row in result.rows} == {(315, ""), (315, "A")}
    assert {row.detail.row.mutation for row in result.rows} == set(made.study.mutations)
    wanted = {residue.place: 100 * residue.score for residue in result.residues}
    lines = [line for line in hot_spot_pdb(result).splitlines() if line.startswith("ATOM")]
    seen = {(int(line[22:26]), line[26].strip()): float(line[60:66]) for line in lines}
    assert wanted[315, ""] != wanted[315, "A"]
    assert seen[315, ""] == pytest.approx(wanted[315, ""], abs=0.006)
    assert seen[315, "A"] == pytest.approx(wanted[315, "A"], abs=0.006)
    assert seen[316, ""] == 0.0


def test_a_dry_run_computes_nothing_and_writes_nothing(tmp_path, capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a dry run ran something")

    monkeypatch.setattr(panels, "execute", refuse)
    out = tmp_path / "none"
    line = ["scan", "--ligand", "imatinib", "--structure", "abl1-1iep", "--out", str(out), "--dry-run"]
    assert cli.main(line) == 0
    said = capsys.readouterr().out
    assert "residues within 5 A are known once imatinib has its pose" in said
    assert cli.main([*line, "--residues", "315,317", "--single-nucleotide"]) == 0
    said = capsys.readouterr().out
    assert "2 residues: T315, F317" in said
    assert "14 substitutions at 2 residues" in said
    assert not out.exists()
    assert cli.main([*line, "--residues", "9999"]) == 2
    assert "has no residue 9999" in capsys.readouterr().err


def test_a_dry_run_reads_the_pose_that_a_run_left(finished, monkeypatch):
    _, out = finished
    monkeypatch.setattr(panels, "STEPS", fake_science.STEPS)
    found = panels.preview_scan("imatinib", "abl1-1iep", out=out, scan_settings={"single_nucleotide": True})
    assert "residues: I313" in found.notes[0]
    assert len(found.stored) > 3


def test_residue_lists_are_read():
    assert parse_residues("315, 317,380-382,315") == (315, 317, 380, 381, 382)
    assert parse_residues("") == ()
    for bad in ("T315", "10-5", "3-"):
        with pytest.raises(SettingsError, match="no residue number"):
            parse_residues(bad)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ligand", "imatinib"], "give a structure"),
        (["--ligand", "imatinib", "--structure", "1iep.pdp"], "1iep.pdp"),
        (["--ligand", "imatinib", "--structure", "abl1-1iep", "--residues", "x"], "no residue number"),
        (["--ligand", "no-such-drug", "--structure", "abl1-1iep"], "no-such-drug"),
    ],
)
def test_a_wrong_command_line_is_told_so(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["scan", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_the_calls_in_one_go_say_the_same(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(panels, "execute", lambda *a, **k: _with_fake_steps(*a, **k))
    found = panels.scan(
        "imatinib", "abl1-1iep", out=tmp_path, residues=(315, 317), jobs=1, scan_settings={"single_nucleotide": True}
    )
    assert [row.detail.row.mutation for row in found.rows] == [row.detail.row.mutation for row in finished[0].scan.rows]


def _with_fake_steps(*arguments, **options):
    from dockkit.api.studies import execute

    return execute(*arguments, **{**options, "steps": fake_science.STEPS})
