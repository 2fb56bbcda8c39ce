"""Panels: mutation tables, covers counted by hand, the command with steps that cost nothing."""

from __future__ import annotations

import csv
import gzip

import fake_science
import numpy as np
import pytest

from dockkit import api, cli
from dockkit.api.panels import make_panel, run_panel
from dockkit.calibration import chance_above
from dockkit.core.errors import InputError, MutationError, SettingsError
from dockkit.core.settings import Study
from dockkit.kinase import load_kinase
from dockkit.pipeline import collect, panel_outputs
from dockkit.pipeline.cover import cluster, covers
from dockkit.pipeline.mutation_tables import read_mutations
from dockkit.pipeline.panel import panel_study, split_inhibitors
from dockkit.report.heatmap import draw_cover, draw_panel

MAF = """#version 2.4
Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\tHGVSp_Short\tProtein_position
ABL1\tMissense_Mutation\tS1\tp.T315I\t315
ABL1\tMissense_Mutation\tS1\tp.T315I\t315
ABL1\tMissense_Mutation\tS2\tp.T315I\t315
abl1\tMissense_Mutation\tS3\tp.E255K\t255
TP53\tMissense_Mutation\tS1\tp.R175H\t175
ABL1\tFrame_Shift_Del\tS4\tp.K271fs\t271
ABL1\tSilent\tS4\tp.T315=\t315
ABL1\tMissense_Mutation\tS5\tp.T334I\t334
ABL1\tMissense_Mutation\tS6\tp.T334I\t334
ABL1\tMissense_Mutation\tS7\t\t
ABL1\tMissense_Mutation\tS8\tp.E255_V256delinsKL\t255
"""


@pytest.fixture(scope="module")
def abl1():
    return load_kinase("ABL1")


# ------------------------------------------------------------------------------------------------------ mutation tables


@pytest.mark.parametrize("packed", [False, True])
def test_a_maf_file_counts_samples_and_says_why_rows_are_left_out(tmp_path, abl1, packed):
    path = tmp_path / ("cohort.maf.gz" if packed else "cohort.maf")
    path.write_bytes(gzip.compress(MAF.encode()) if packed else MAF.encode())
    found = read_mutations([str(path)], abl1)
    assert found.labels == ("T315I", "E255K")
    assert found.cases == (2.0, 1.0), "sample S1 has T315I twice and counts once"
    assert found.counted
    assert found.other_genes == 1
    reasons = {row.text: (row.reason, row.rows, row.where) for row in found.refused}
    assert reasons["p.K271fs"][0].startswith("Frame Shift Del")
    assert reasons["p.T315="][0].startswith("Silent")
    assert "did you mean T315I" in reasons["p.T334I"][0]
    assert reasons["p.T334I"][1:] == (2, "cohort.maf.gz, line 10" if packed else "cohort.maf, line 10")
    assert reasons[""][0] == "no protein change is given"
    assert "deletion with insertion" in reasons["p.E255_V256delinsKL"][0]


def test_tables_with_counts_and_plain_lists_say_the_same(tmp_path, abl1):
    table = tmp_path / "counts.csv"
    table.write_text("mutation;cases;gene\nT315I;12;ABL1\nF317L;3;ABL1\nT315I;2;ABL1\nE255K;none;ABL1\nV600E;1;BRAF\n")
    found = read_mutations([str(table)], abl1)
    assert dict(zip(found.labels, found.cases, strict=True)) == {"T315I": 14.0, "F317L": 3.0}
    assert [row.reason for row in found.refused] == ["its count 'none' is not a number above 0"]
    plain = tmp_path / "list.txt"
    plain.write_text("# seen here\np.Thr315Ile 14\n".replace(" ", ",") + "F317L,3\nE255K/T315I,1\n")
    again = read_mutations([str(plain)], abl1)
    assert dict(zip(again.labels, again.cases, strict=True)) == {"T315I": 14.0, "F317L": 3.0, "E255K/T315I": 1.0}
    written = read_mutations(["T315I, F317L", "E255K/T315I"], abl1)
    assert written.labels == ("T315I", "F317L", "E255K/T315I")
    assert not written.counted
    line = tmp_path / "line.txt"
    line.write_text("T315I, F317L, E255K\n")
    assert read_mutations([str(line)], abl1).labels == ("T315I", "F317L", "E255K")


def test_what_cannot_be_used_is_an_error_that_says_what_to_do(tmp_path, abl1):
    with pytest.raises(MutationError, match="did you mean T315I"):
        read_mutations(["T334I"], abl1)
    with pytest.raises(MutationError, match="is about BRAF"):
        read_mutations(["BRAF:V600E"], abl1)
    with pytest.raises(InputError, match="no such file"):
        read_mutations(["cohort.maf"], abl1)
    other = tmp_path / "other.maf"
    other.write_text("Hugo_Symbol\tHGVSp_Short\nBRAF\tp.V600E\n")
    with pytest.raises(MutationError, match="1 rows are about other genes"):
        read_mutations([str(other)], abl1)
    other.write_text("Hugo_Symbol\tStart_Position\nABL1\t12\n")
    with pytest.raises(InputError, match="no column of protein changes"):
        read_mutations([str(other)], abl1)
    other.write_text("")
    with pytest.raises(InputError, match="empty"):
        read_mutations([str(other)], abl1)


def test_lists_of_inhibitors_are_split_and_files_and_inchis_are_not(tmp_path):
    path = tmp_path / "a,b.sdf"
    path.touch()
    inchi = "InChI=1S/C2H6O/c1-2-3/h3H,2H2,1H3"
    assert split_inhibitors(["imatinib,dasatinib", "CCO", inchi, str(path)]) == [
        "imatinib", "dasatinib", "CCO", inchi, str(path),
    ]  # fmt: skip
    with pytest.raises(SettingsError, match="no inhibitors"):
        split_inhibitors([" , "])


# ------------------------------------------------------------------------------------------------------------ the cover


def test_the_probability_of_resistance_is_students_integral():
    # one degree of freedom has no deviation; with four, t = 0.741 is the upper quartile of Student's tables
    deviation = np.sqrt(4.0 / 2.0)
    chance = chance_above([0.0, 1.0, np.nan], [deviation, 1.0, 1.0], 0.741, degrees=4.0)
    assert chance[0] == pytest.approx(0.25, abs=2e-4)
    assert chance[1] > 0.5
    assert np.isnan(chance[2])
    assert chance_above(0.741, 1.0, 0.741) == 0.5


def test_covers_by_hand():
    nan = float("nan")
    weights = np.array([0.5, 0.3, 0.2])
    holds = np.array([[0.9, 0.2, 0.5], [0.1, 0.8, 0.5], [nan, nan, 0.4]])
    called = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [nan, nan, 0.0]])
    a, c, b = covers(("a", "b", "c"), weights, holds, called, 1)
    assert (a.inhibitors, b.inhibitors, c.inhibitors) == (("a",), ("b",), ("c",))
    assert a.expected == pytest.approx(0.5 * 0.9 + 0.3 * 0.1)
    assert a.upper == pytest.approx(0.48 + 0.2), "the mutation without a value may be held"
    assert a.unknown == pytest.approx(0.2)
    assert a.called == pytest.approx(0.5)
    assert a.spread == pytest.approx(np.sqrt(0.25 * 0.9 * 0.1 + 0.09 * 0.1 * 0.9))
    assert c.expected == pytest.approx(0.25 + 0.15 + 0.08)
    pairs = covers(("a", "b", "c"), weights, holds, called, 2)
    assert [pair.inhibitors for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs[0].expected == pytest.approx(0.45 + 0.24)
    assert pairs[0].upper == pytest.approx(0.5 * (1 - 0.1 * 0.8) + 0.3 * (1 - 0.9 * 0.2) + 0.2)
    assert pairs[1].expected == pytest.approx(0.45 + 0.15 + 0.08)
    assert pairs[1].unknown == 0.0
    assert covers(("a",), weights, holds[:, :1], called[:, :1], 2) == ()


def test_alike_rows_stand_together():
    values = np.array([[0.0, 0.0], [5.0, 5.0], [0.1, np.nan], [5.1, 5.0], [np.nan, np.nan]])
    order, tree = cluster(values)
    place = {row: k for k, row in enumerate(order)}
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert abs(place[0] - place[2]) == 1
    assert abs(place[1] - place[3]) == 1
    assert len(tree) == 4
    assert cluster(values[:2]) == ((0, 1), ())
    assert cluster(np.full((4, 2), np.nan)) == ((0, 1, 2, 3), ())


# ----------------------------------------------------------------------------------------------------------- end to end


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("panel")
    table = out / "cohort.maf"
    table.write_text(MAF)
    made = make_panel([str(table), "E316D"], ["imatinib,dasatinib"], kinase="ABL1", steps=fake_science.STEPS)
    return run_panel(made, out / "run", jobs=1, steps=fake_science.STEPS), out / "run"


def test_the_matrix_holds_every_pair_with_its_error(finished):
    done, out = finished
    assert done.panel.mutations == ("T315I", "E255K", "E316D")
    assert done.panel.inhibitors == ("imatinib", "dasatinib")
    assert done.panel.weights.tolist() == [0.5, 0.25, 0.25]
    wide = rows_of(out / "panel_matrix.csv")
    assert [row["mutation"] for row in wide] == ["T315I", "E255K", "E316D"]
    results = {(row["mutation"], row["ligand"]): row for row in rows_of(out / "results.csv")}
    for row in wide:
        for name in done.panel.inhibitors:
            assert row[f"{name}_ddg_effective_kcal_mol"] == results[row["mutation"], name]["ddg_effective_kcal_mol"]
            assert float(row[f"{name}_sem_kcal_mol"]) > 0
    long = rows_of(out / "panel_long.csv")
    assert not any("error_kcal_mol" in column for column in long[0])
    assert len(long) == 6
    assert {row["cases"] for row in long if row["mutation"] == "T315I"} == {"2"}
    # the fake mutants cost imatinib 4 and dasatinib 0.2 kcal/mol, and ATP gains 1
    assert [row["ligand"] for row in rows_of(out / "panel_ranking.csv")[:2]] == ["dasatinib", "imatinib"]
    assert rows_of(out / "panel_cover.csv")[0]["inhibitors"] == "dasatinib"
    assert rows_of(out / "panel_cover.csv")[2]["inhibitors"] == "imatinib + dasatinib"


def test_no_two_outputs_disagree(finished):
    done, out = finished
    results = {(row["mutation"], row["ligand"]): row for row in rows_of(out / "results.csv")}
    ranking = rows_of(out / "panel_ranking.csv")
    for row in ranking:
        own = results[row["mutation"], row["ligand"]]
        assert row["rank"] == own["rank"]
        assert row["ddg_expected_kcal_mol"] == own["ddg_expected_kcal_mol"]
        assert row["call"] == own["call"]
        assert float(row["probability_held"]) == pytest.approx(1.0 - float(own["resistance_probability"]))
    for mutation in done.panel.mutations:
        order = [float(row["ddg_expected_kcal_mol"]) for row in ranking if row["mutation"] == mutation]
        assert order == sorted(order)
    for cover in done.panel.singles:
        j = done.panel.inhibitors.index(cover.inhibitors[0])
        chances = [float(results[m, cover.inhibitors[0]]["resistance_probability"]) for m in done.panel.mutations]
        assert cover.expected == pytest.approx(done.panel.weights @ (1.0 - np.array(chances)))
        assert np.allclose(1.0 - done.panel.holds[:, j], chances)


def test_a_panel_keeps_the_structures_of_one_row_for_each_ligand(finished):
    done, out = finished
    rows = (*done.panel.study.rows, *done.panel.study.atp)
    kept = [detail.row.ligand for detail in rows if detail.wild_type is not None]
    assert sorted(kept) == ["ATP.Mg", "dasatinib", "imatinib"]
    assert all(detail.mutant is None for detail in rows)
    assert {path.name for path in (out / "poses").iterdir()} == {"ATP.Mg.sdf", "dasatinib.sdf", "imatinib.sdf"}


def test_collecting_lean_or_whole_gives_the_same_rows(tmp_path):
    study = Study(
        name="p", kinase="ABL1", mutations=["T315I", "E316D"], inhibitors=["imatinib", "dasatinib"],
        md={"enabled": False},
    )  # fmt: skip
    whole = api.execute(study, tmp_path, jobs=1, steps=fake_science.STEPS, write=lambda *given: None)
    lean = api.execute(study, tmp_path, jobs=1, steps=fake_science.STEPS, write=lambda *given: None, lean=True)
    assert [detail.row for detail in whole.result.rows] == [detail.row for detail in lean.result.rows]
    assert all(detail.mutant is not None for detail in whole.result.rows)


def test_a_run_too_large_for_memory_still_writes_every_file(tmp_path, monkeypatch):
    study = Study(name="p", kinase="ABL1", mutations=["T315I", "E316D"], inhibitors=["imatinib"], md={"enabled": False})
    api.execute(study, tmp_path / "whole", jobs=1, steps=fake_science.STEPS)
    monkeypatch.setattr(collect, "MOST_WHOLE", 1)
    small = api.execute(study, tmp_path / "small", jobs=1, steps=fake_science.STEPS).result
    assert sum(detail.mutant is not None for detail in (*small.rows, *small.atp)) == 1
    assert any("structures of the first 1 of 4 pairs" in text for text in small.warnings)
    for folder in ("structures", "poses", "energies"):
        files = {path.name: path.read_bytes() for path in (tmp_path / "whole" / folder).iterdir()}
        assert files
        assert {path.name: path.read_bytes() for path in (tmp_path / "small" / folder).iterdir()} == files
    assert (tmp_path / "small" / "results.csv").read_bytes() == (tmp_path / "whole" / "results.csv").read_bytes()


def test_mutations_of_one_sample_are_offered_together_too(tmp_path):
    egfr = load_kinase("EGFR")
    header = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\tHGVSp_Short\n"
    rows = [("S1", "L858R"), ("S1", "T790M"), ("S2", "T790M"), ("S2", "L858R"), ("S3", "C797S"), ("S4", "G719A"),
            ("S4", "G719S"), *[("S5", text) for text in ("L718Q", "L792H", "G796D", "C797S", "L861Q")]]  # fmt: skip
    path = tmp_path / "egfr.maf"
    path.write_text(header + "".join(f"EGFR\tMissense_Mutation\t{sample}\tp.{text}\n" for sample, text in rows))
    found = read_mutations([str(path)], egfr)
    counts = dict(zip(found.labels, found.cases, strict=True))
    assert counts["T790M/L858R"] == 2.0
    assert counts["T790M"] == counts["L858R"] == 2.0, "the single ones keep their cases"
    assert sum("/" in label for label in found.labels) == 1
    assert "4 samples have several mutations of EGFR" in found.notes[0]
    assert "T790M/L858R (2)" in found.notes[0]
    assert "1 with two mutations of one residue" in found.notes[1]
    assert "1 with more than 4" in found.notes[2]
    alone = read_mutations([str(path)], egfr, compounds=False)
    assert not any("/" in label for label in alone.labels)
    assert "one by one, as asked for" in alone.notes[0]
    made = make_panel([str(path)], ["gefitinib"], kinase="EGFR", steps=fake_science.STEPS)
    assert "T790M/L858R" in made.study.mutations
    assert made.study.panel.cases["T790M/L858R"] == 2.0
    assert any("taken together" in note for note in made.notes)


def test_mutations_of_another_gene_are_refused(tmp_path, abl1, capsys):
    path = tmp_path / "mixed.csv"
    path.write_text("mutation\nT315I\nEGFR(T790M)\nBCR-ABL F317L\n")
    found = read_mutations([str(path)], abl1)
    assert found.labels == ("T315I", "F317L"), "ABL is another name of ABL1"
    assert "is about EGFR; the panel is about ABL1" in found.refused[0].reason
    study = tmp_path / "s.toml"
    study.write_text('kinase = "ABL1"\nmutations = ["EGFR(T315I)"]\ninhibitors = ["imatinib"]\n')
    for command in ("panel", "run"):
        assert cli.main([command, str(study), "--dry-run"]) == 2
        assert "'EGFR(T315I)' is about EGFR; the study is about ABL1" in capsys.readouterr().err


def test_the_long_table_is_also_parquet(finished):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an optional extra")
    _, out = finished
    table = parquet.read_table(out / "panel.parquet").to_pylist()
    assert [row["ligand"] for row in table] == [row["ligand"] for row in rows_of(out / "panel_long.csv")]
    assert table[0]["ddg_effective_kcal_mol"] == pytest.approx(5.0, abs=0.1)


def test_the_page_tells_what_is_not_in_the_panel(finished):
    _, out = finished
    page = (out / "panel.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert 'src="http' not in page
    assert "p.K271fs" in page
    assert "rows about other genes" in page
    assert (out / "figures" / "panel_heatmap.png").read_bytes()[:4] == b"\x89PNG"
    assert (out / "figures" / "panel_heatmap.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_failed_cell_has_a_reason_and_never_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(panel_outputs, "find_spec", lambda name: None)
    study = Study(
        name="p", kinase="ABL1", mutations=["T315I", "E316D"], inhibitors=["imatinib", "dasatinib"],
        md={"enabled": False}, docking={"exhaustiveness": 1}, panel={"cases": {"E316D": 3, "T315I": 1}},
    )  # fmt: skip
    done = run_panel(make_panel(study=study), tmp_path, jobs=1, steps=fake_science.STEPS)
    assert np.isnan(done.panel.effective[:, 1]).all()
    assert done.panel.weights.tolist() == [0.25, 0.75]
    row = rows_of(tmp_path / "panel_matrix.csv")[0]
    assert row["dasatinib_ddg_effective_kcal_mol"] == ""
    assert "no pose in the box" in row["dasatinib_status"]
    single = {cover.inhibitors[0]: cover for cover in done.panel.singles}
    assert single["dasatinib"].unknown == 1.0
    assert single["dasatinib"].expected == 0.0
    assert single["dasatinib"].upper == 1.0
    page = (tmp_path / "panel.html").read_text(encoding="utf-8")
    assert "no pose in the box" in page
    assert "pip install" in page, "without pyarrow the page says how to get Parquet"
    assert not (tmp_path / "panel.parquet").exists()
    assert {path.name for path in done.files} >= {"panel.html", "panel_refused.csv"}


def test_one_mutation_and_one_inhibitor_are_a_panel_too(tmp_path):
    made = make_panel(["T315I"], ["imatinib"], kinase="ABL1", steps=fake_science.STEPS)
    done = run_panel(made, tmp_path, jobs=1, steps=fake_science.STEPS)
    assert done.panel.pairs == ()
    assert draw_panel(done.panel).png[:4] == b"\x89PNG"
    assert draw_cover(done.panel).svg


def test_mutations_outside_the_structure_are_left_out_with_the_reason():
    made = make_panel(["T315I,S1106R"], ["imatinib"], kinase="ABL1", steps=fake_science.STEPS)
    assert made.study.mutations == ["T315I"]
    assert [(row.text, row.where) for row in made.refused] == [("S1106R", "structure")]
    assert "has residues" in made.refused[0].reason


def test_rare_mutations_can_be_left_out(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("mutation,cases\nT315I,9\nE255K,1\n")
    made = make_panel([str(path)], ["imatinib"], kinase="ABL1", minimum_cases=2, steps=fake_science.STEPS)
    assert made.study.mutations == ["T315I"]
    assert "fewer than 2" in made.refused[0].reason


def test_cases_of_a_study_must_be_of_its_mutations():
    base = {"name": "p", "kinase": "ABL1", "mutations": ["T315I", "E255K"], "inhibitors": ["imatinib"]}
    with pytest.raises(SettingsError, match="leaves out E255K"):
        make_panel(study=Study(**base, panel={"cases": {"T315I": 1}}))
    with pytest.raises(SettingsError, match="names F317L"):
        make_panel(study=Study(**base, panel={"cases": {"T315I": 1, "E255K": 2, "F317L": 1}}))
    with pytest.raises(SettingsError, match="above 0"):
        make_panel(study=Study(**base, panel={"cases": {"T315I": 0, "E255K": 2}}))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --mutations and --inhibitors, or a study"),
        (["--mutations", "T315I", "--inhibitors", "imatinib"], "give a kinase"),
        (["abl1-t315i", "--kinase", "ABL1"], "not both"),
        (["abl1-t315"], "did you mean 'abl1-t315i'"),
        (["--kinase", "ABL1", "--mutations", "T315I", "--inhibitors", "imatinip"], "imatinib"),
        (["--kinase", "ABL1", "--mutations", "nowhere.maf", "--inhibitors", "imatinib"], "no such file"),
        (["--kinase", "ABL9", "--mutations", "T315I", "--inhibitors", "imatinib"], "no kinase 'ABL9'"),
        (["--kinase", "ABL1", "--mutations", "T315I", "--inhibitors", "imatinib", "--covered-fold", "0.5"], "covered"),
    ],
)
def test_a_wrong_command_line_is_told_so(arguments, said, capsys):
    assert cli.main(["panel", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_dry_run_computes_nothing(tmp_path, capsys):
    out = tmp_path / "none"
    line = ["--kinase", "ABL1", "--mutations", "T315I,F317L", "--inhibitors", "imatinib", "--out", str(out)]
    assert cli.main(["panel", *line, "--dry-run"]) == 0
    assert "T315I" in capsys.readouterr().out
    assert not out.exists()


def test_every_bundled_panel_can_be_planned():
    from dockkit.core.settings import bundled_studies

    wanted = {"bcr-abl-panel", "egfr-panel", "alk-panel", "kit-panel"}
    assert wanted <= bundled_studies().keys()
    for name in sorted(wanted):
        made = make_panel(study=name)
        planned = api.plan_study(made.study)
        assert len(planned.cells) == len(made.study.mutations) * (len(made.study.inhibitors) + 1)


def test_structures_of_the_settings_stand_where_none_is_given_beside_them():
    given = {"structures": {"dfg_in": "abl1-1iep", "chain": "A"}}
    study = panel_study(["T315I"], ["imatinib"], kinase="ABL1", settings=given).study
    assert (study.structures.dfg_in, study.structures.dfg_out, study.structures.chain) == ("abl1-1iep", "", "A")
    study = panel_study(["T315I"], ["imatinib"], structure="abl1-dfg-in", settings=given).study
    assert (study.structures.dfg_in, study.structures.dfg_out) == ("abl1-dfg-in", "abl1-dfg-in")
