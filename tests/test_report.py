"""The report: tables, figures, the answer in words and the one self-contained page."""

from __future__ import annotations

import base64
import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from synthetic_study import NAN, detail, failed, ligand, receptor, state, study

from dockkit.core.errors import StoreError
from dockkit.report.answer import atp_verdict, headline
from dockkit.report.drawings import draw_molecule
from dockkit.report.figures import draw_ddg, draw_dynamics, draw_figures, draw_heatmap, draw_residues, residue_changes
from dockkit.report.notation import file_stem, fold, listing, residue_numbers, row_stems, signed, with_error
from dockkit.report.page import render_page, write_report
from dockkit.report.tables import write_energies, write_results
from dockkit.report.viewer import build_scene, hydrogen_bonds

ISSUE_COLUMNS = [
    "kinase",
    "uniprot",
    "structure",
    "mutation",
    "ligand",
    "ddg_inhibitor_kcal_mol",
    "ddg_inhibitor_sem",
    "ddg_atp_kcal_mol",
    "ddg_atp_sem",
    "ddg_effective_kcal_mol",
    "ddg_effective_sem",
    "fold_change",
    "fold_change_low",
    "fold_change_high",
    "call",
    "reason",
    "status",
    "message",
]


@pytest.fixture(scope="module")
def result():
    return study()


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "new" / "folder"
    assert write_report(result, out) == out / "report.html"
    return out


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


# --------------------------------------------------------------------------- notation


@pytest.mark.parametrize(
    ("value", "text"), [(1.24, "+1.2"), (-0.27, "−0.3"), (0.04, "0.0"), (-0.04, "0.0"), (NAN, "—"), (math.inf, "—")]
)
def test_signed(value, text):
    assert signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1432, "0.14"),
        (7.21, "7.2"),
        (352.0, "350"),
        (0.998, "1.0"),
        (12345.0, "12,000"),
        (1.23e6, "1.2 × 10⁶"),
        (2e-7, "2.0 × 10⁻⁷"),
        (NAN, "—"),
    ],
)
def test_fold_has_two_digits(value, text):
    assert fold(value) == text


def test_error_is_left_out_where_unknown():
    assert with_error(1.0, NAN) == "+1.0"
    assert with_error(1.0, 0.25, 2) == "+1.00 ± 0.25"
    assert [listing(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_file_stems_are_safe_and_distinct():
    assert file_stem("L858R/T790M", "ATP.Mg") == "L858R-T790M_ATP.Mg"
    assert "/" not in file_stem("../../etc", "passwd")
    assert len(file_stem("T315I", "C" * 500)) <= 100
    assert file_stem("x", "C" * 500) != file_stem("x", "C" * 499 + "N")
    twins = [failed("C/C", "no"), failed("C\\C", "no")]
    stems = row_stems(twins)
    assert len({stem.lower() for stem in stems}) == 2


# --------------------------------------------------------------------------- tables


def test_results_hold_every_row(result, folder):
    records = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    with (folder / "results.csv").open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle)
        lines = list(reader)
    assert reader.fieldnames[: len(ISSUE_COLUMNS)] == ISSUE_COLUMNS
    assert list(records[0]) == reader.fieldnames
    assert [r["ligand"] for r in records] == [d.row.ligand for d in (*result.rows, *result.atp)]
    for record, line, item in zip(records, lines, (*result.rows, *result.atp), strict=True):
        for name, value in record.items():
            original = getattr(item.row, name)
            if value is None:
                assert math.isnan(original)
                assert line[name] == ""
            elif isinstance(value, float):
                assert value == original
                assert float(line[name]) == original
            elif isinstance(value, str):
                assert line[name] == value == original


def test_failed_row_has_empty_numbers_and_its_message(folder):
    record = next(
        r for r in json.loads((folder / "results.json").read_text(encoding="utf-8")) if r["ligand"] == "ibrutinib"
    )
    assert record["status"] == "failed"
    assert "no pose" in record["message"]
    assert record["ddg_inhibitor_kcal_mol"] is None
    assert record["fold_change"] is None
    assert record["call"] == ""


def test_energies_add_up(result, folder):
    for item in (d for d in result.rows if d.mutant is not None):
        stem = f"T315I_{item.row.ligand}"
        with (folder / "energies" / f"{stem}_terms.csv").open(encoding="utf-8") as handle:
            terms = list(csv.DictReader(handle))
        with (folder / "energies" / f"{stem}_residues.csv").open(encoding="utf-8") as handle:
            residues = list(csv.DictReader(handle))
        for which in ("wild-type", "mutant"):
            totals = [float(line["total_kcal_mol"]) for line in terms if line["state"] == which]
            parts = [float(line["total_kcal_mol"]) for line in residues if line["state"] == which]
            assert len(totals) == 3
            assert sum(parts) == pytest.approx(np.mean(totals), abs=1e-9)
        names = {(line["state"], line["residue"]) for line in residues}
        assert ("wild-type", "T315") in names
        assert ("mutant", "I315") in names
    assert not list((folder / "energies").glob("*ibrutinib*"))


def test_energies_use_the_numbering_of_the_study(result, tmp_path):
    author = replace(result, numbering="author", rows=result.rows[:1], atp=())
    residues = next(path for path in write_energies(author, tmp_path) if "residues" in path.name)
    text = residues.read_text(encoding="utf-8")
    assert "T334" in text
    assert "T315" not in text


def test_unwritable_folder_is_a_store_error(result, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match="results.csv"):
        write_results(result, blocked)
    assert blocked.read_text() == "in the way"


# --------------------------------------------------------------------------- the answer


def test_headline_names_every_inhibitor_once(result):
    text = headline(result)
    assert text.startswith(
        "ABL1 T315I: imatinib and dasatinib are lost; ponatinib and asciminib are kept; axitinib gains;"
    )
    assert "there is no answer for ibrutinib" in text
    assert "ATP gains (ΔΔG −0.9 ± 0.3 kcal/mol)" in text
    assert text.endswith("ranked first is asciminib.")


@pytest.mark.parametrize(
    ("value", "sem", "clause"),
    [
        (-1.0, 0.1, "ATP gains"),
        (-1.0, 0.6, "ATP does not change"),
        (-0.3, 0.0, "ATP does not change"),
        (1.0, NAN, "ATP binds worse"),
    ],
)
def test_atp_verdict_needs_a_factor_of_two_and_two_errors(value, sem, clause):
    item = detail("ATP.Mg", value, "")
    item = replace(item, row=replace(item.row, ddg_inhibitor_sem=sem))
    assert atp_verdict(item, 298.15).startswith(clause)


def test_atp_that_failed_or_was_not_asked_for_is_said():
    assert "not computed" in atp_verdict(None, 298.15)
    assert "could not be computed" in atp_verdict(failed("ATP.Mg", "no"), 298.15)


def test_headline_says_what_the_error_of_the_method_leaves_open(result):
    rows = tuple(
        replace(d, row=replace(d.row, resistance_probability=0.41 if d.row.ligand == "imatinib" else 0.95))
        for d in result.rows
    )
    text = headline(replace(result, rows=rows))
    assert "not certain for imatinib (41% chance of resistance)" in text
    assert text.count("chance of resistance") == 1


def test_headline_of_several_mutations_counts_pairs():
    text = headline(study(("T315I", "T315V")))
    assert "12 pairs of 2 ABL1 mutations and 6 inhibitors" in text
    assert "4 lost, 4 kept and 2 gained (2 could not be computed)" in text
    assert "ponatinib, asciminib and axitinib hold against the most (2 of 2)" in text


def test_headline_when_everything_failed(result):
    rows = tuple(failed(d.row.ligand, "no") for d in result.rows)
    assert "no answer for imatinib" in headline(replace(result, rows=rows))
    assert headline(replace(result, rows=(), atp=())) == "ABL1: the study has no rows."


# --------------------------------------------------------------------------- figures


def test_figures_are_written_twice_the_same(result, folder):
    for drawn in (draw_ddg(result, "T315I"), draw_heatmap(result), draw_residues(result, "T315I")):
        assert (folder / "figures" / f"{drawn.stem}.svg").read_bytes() == drawn.svg
        assert (folder / "figures" / f"{drawn.stem}.png").read_bytes() == drawn.png
        assert drawn.png.startswith(b"\x89PNG")
        assert b"<dc:date>" not in drawn.svg


def test_figures_say_what_they_show(result):
    ddg = draw_ddg(result, "T315I")
    svg = ddg.svg.decode()
    assert all(d.row.ligand in svg for d in result.rows)
    assert "failed: see the messages" in svg
    assert "imatinib: inhibitor +3.1 ± 0.3" in ddg.alternative
    heat = draw_heatmap(result)
    assert ">+4.0<" in heat.svg.decode().replace("\n", "")
    assert "T315I with ibrutinib: no value" in heat.alternative


def test_figures_of_nothing_but_failures(result):
    empty = replace(result, rows=(failed("imatinib", "no"),), atp=())
    for drawn in (draw_ddg(empty, "T315I"), draw_heatmap(empty), draw_residues(empty, "T315I")):
        assert drawn.png.startswith(b"\x89PNG")
    assert draw_dynamics(empty, "T315I") is None


def test_residue_changes_are_the_largest_and_signed(result):
    item = result.rows[0]
    changes = residue_changes(item, result, 40)
    sizes = [abs(new - old) for _, old, new in changes]
    assert sizes == sorted(sizes, reverse=True)
    label, old, new = next(change for change in changes if "315" in change[0])
    index = item.wild_type.receptor.residue_index(315)
    assert label == "T315I"
    assert old == pytest.approx(item.wild_type.per_residue[index].sum())
    assert new == pytest.approx(item.mutant.per_residue[index].sum())
    assert residue_changes(failed("imatinib", "no"), result) == []


def test_caps_take_no_residue_number(result):
    """In author numbering a cap stands beside a break; where the break has no gap its number is a real residue's."""
    original = receptor()
    names = original.residue_names.copy()
    names[0] = "ACE"
    capped = replace(original, residue_names=names)
    author = replace(result, numbering="author")
    assert residue_numbers(capped, author) == [0, *(int(n) for n in original.author_numbers[1:])]


# --------------------------------------------------------------------------- 2-D and 3-D


def test_drawing_follows_the_text_colour():
    svg = draw_molecule("c1ccccc1N")
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "#FFFFFF" not in svg.upper()
    assert draw_molecule("not a molecule") == ""


def test_hydrogen_bond_needs_length_and_angle():
    base = state("imatinib", "wild-type", "T315I", 3)
    small = ligand("imatinib")
    donor = int(np.flatnonzero(base.receptor.elements == "H")[5])
    nitrogen = donor - 1
    acceptor = next(i for i, element in enumerate(small.elements) if element == "O")
    away = base.receptor.coordinates[donor] - base.receptor.coordinates[nitrogen]
    far = np.full((small.n_atoms, 3), 200.0) + np.arange(small.n_atoms)[:, None] * 5.0

    def bonds(position):
        placed = far.copy()
        placed[acceptor] = position
        return hydrogen_bonds(replace(base, ligand_coordinates=placed), small)

    straight = base.receptor.coordinates[donor] + 1.9 * away
    assert bonds(straight) == [(nitrogen, acceptor)]
    assert bonds(base.receptor.coordinates[donor] + 3.2 * away) == []
    sideways = np.cross(away, [0.3, 0.5, 0.8])
    assert bonds(base.receptor.coordinates[donor] + 1.9 * sideways / np.linalg.norm(sideways)) == []


def test_scene_round_trips_coordinates(result):
    scene = json.loads(build_scene(result).json)
    assert [view["name"] for view in scene["views"]] == [
        "imatinib",
        "dasatinib",
        "ponatinib",
        "asciminib",
        "axitinib",
        "ATP.Mg",
    ]
    view, item = scene["views"][0], result.rows[0]
    packed = (
        np.frombuffer(base64.b64decode(view["states"]["mutant"]["ligand"]), dtype="<i2").reshape(-1, 3) / scene["scale"]
    )
    heavy = item.ligand.elements != "H"
    origin = result.rows[0].wild_type.ligand_coordinates.mean(axis=0)
    np.testing.assert_allclose(packed + origin, item.mutant.ligand_coordinates[heavy], atol=0.0051)
    sites = [
        label
        for label, site in zip(view["states"]["mutant"]["labels"], view["states"]["mutant"]["site"], strict=True)
        if site
    ]
    assert sites == ["I315"]
    rotation = np.array(scene["rotation"]).reshape(3, 3)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-4)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-4)


def test_scene_finds_the_bonds_of_a_residue(result):
    view = json.loads(build_scene(result).json)["views"][0]["states"]["wild"]
    names, owner = view["names"].split(), np.frombuffer(base64.b64decode(view["residue"]), dtype="<u2")
    pairs = np.frombuffer(base64.b64decode(view["bonds"]), dtype="<u2").reshape(-1, 2)
    inside = {frozenset((names[a], names[b])) for a, b in pairs if owner[a] == owner[b]}
    assert {frozenset(p) for p in (("N", "CA"), ("CA", "C"), ("C", "O"), ("CA", "CB"), ("CB", "CG"))} <= inside
    assert frozenset(("N", "O")) not in inside


def test_scene_stays_small_and_says_what_it_left_out(result, monkeypatch):
    monkeypatch.setattr("dockkit.report.viewer.MAX_BYTES", 100)
    scene = build_scene(result)
    assert scene.n_views == 1
    assert scene.left_out[0] == "T315I, dasatinib"


# --------------------------------------------------------------------------- the page


class _Fetches(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.loads, self.links, self.ids, self.headings = set(), [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.add(tag)
        self.ids += [values["id"]] if "id" in values else []
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        for name in ("src", "srcset", "data", "poster", "action", "xlink:href"):
            if values.get(name):
                self.loads.append(values[name])
        if values.get("href"):
            (self.links if tag == "a" else self.loads).append(values["href"])


@pytest.fixture(scope="module")
def parsed(html):
    parser = _Fetches()
    parser.feed(html)
    return parser


def test_page_loads_nothing(html, parsed):
    assert [target for target in parsed.loads if not target.startswith(("#", "data:image/png;base64,"))] == []
    assert not parsed.tags & {"link", "iframe", "img", "object", "embed", "base"}
    outside = [link for link in parsed.links if re.match(r"[a-z]+:|//", link)]
    assert all(link.startswith("https://doi.org/10.") for link in outside)
    assert "default-src 'none'" in html
    assert "@import" not in html
    assert not re.search(r"url\(\s*['\"]?(?!#)", html)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts|sendBeacon)\b", html)


def test_page_links_lead_somewhere(parsed, folder):
    for link in parsed.links:
        if link.startswith("#"):
            assert link[1:] in parsed.ids
        elif not link.startswith("https:") and link != "run.json":
            assert (folder / link).is_file()


def test_page_is_well_formed(html, parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(parsed.headings, parsed.headings[1:], strict=False))
    assert '<html lang="en">' in html
    assert html.count('role="img" aria-labelledby') == html.count("<figcaption>") - 1
    assert len(html) < 3_000_000


def test_page_escapes_what_it_is_given(html):
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "no pose within the box &lt;b&gt;&amp; no way on&lt;/b&gt;" in html


def test_page_shows_calls_marks_and_limits(html):
    for call in ("lost", "kept", "gained", "failed"):
        assert f'<span class="chip {call}">' in html
    for words in (
        "modelled structure",
        "covalent CYS481",
        "not ATP-competitive",
        "bypass pathways",
        "microenvironment",
        "epigenetic change",
        "lineage transformation",
        "trafficking",
        "absolute affinities",
        "relax.n_starts",
    ):
        assert words in html.lower() or words in html
    assert html.count('class="card"') == 7


def test_page_tells_each_warning_once(result, html):
    """Both states of six rows warn alike, and the study's own list, which run.json keeps, repeats them."""
    assert html.count("minimisation stopped early") == 6
    states = [s for d in (*result.rows, *result.atp) for s in (d.wild_type, d.mutant) if s is not None]
    repeated = tuple(f"{s.ligand}, {s.variant} {s.state}: {text}" for s in states for text in s.warnings)
    page = render_page(replace(result, warnings=repeated), draw_figures(result), build_scene(result))
    assert page.count("minimisation stopped early") == 6


def test_page_sets_the_dynamics_beside_the_relaxed_energies(result, html):
    shown = next(d for d in result.rows if d.dynamics is not None and d.row.status == "ok")
    assert "A second opinion" in html
    assert with_error(shown.dynamics.ddg.value, shown.dynamics.ddg.sem) in html
    still = replace(result, rows=tuple(replace(d, dynamics=None) for d in result.rows), atp=())
    assert "A second opinion" not in render_page(still, draw_figures(still), build_scene(still))


def test_page_quotes_the_measured_accuracy_and_the_thresholds(result):
    told = replace(result, provenance=(("accuracy", "on 7 measured cats"), ("calls", "lost above 10-fold")))
    page = render_page(told, draw_figures(told), build_scene(told))
    assert "Measured on 7 measured cats." in page
    assert "by the fold change of the raw numbers: lost above 10-fold." in page


def test_page_of_a_study_that_failed_throughout(result, tmp_path):
    bare = replace(result, rows=(failed("imatinib", "no parameters"),), atp=(), provenance=(), warnings=(), title="")
    page = write_report(bare, tmp_path).read_text(encoding="utf-8")
    assert "no parameters" in page
    assert "viewer" not in page.split("<body>")[1].split("</main>")[0]


def test_page_of_several_mutations(tmp_path):
    page = write_report(study(("T315I", "L858R/T790M")[:1] + ("T315V",)), tmp_path).read_text(encoding="utf-8")
    assert page.count("best ranked first") == 2
    assert "imatinib, T315V</option>" in page
    assert (tmp_path / "figures" / "ddg_T315V.png").is_file()


def test_receptor_of_the_tests_is_as_described():
    assert receptor("ILE").residue_names[receptor().residue_index(315)] == "ILE"
