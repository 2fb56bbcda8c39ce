from __future__ import annotations

from dataclasses import replace

import gemmi
import pytest
from fake_steps import FakeStep, number

from dockkit import structure
from dockkit.core.errors import InputError, LigandError, MutationError, SettingsError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import LigandEntry, StructureEntry, Substitution, Variant
from dockkit.core.settings import Study, validate_study
from dockkit.execution.schedule import Schedule
from dockkit.kinase import load_kinase
from dockkit.pipeline.choice import choice_warnings, choose_entry, ligand_warnings, model_warning, wanted_dfg
from dockkit.pipeline.plan import derive_seed, plan
from dockkit.pipeline.variants import check_against_sequence, check_present, parse_mutations

NAMES = ("receptor", "ligand", "parameters", "pose", "start", "state", "dynamics", "comparison")
STEPS = {name: FakeStep("1", number) for name in NAMES}


def study(**changes) -> Study:
    data = {"name": "t", "kinase": "ABL1", "mutations": ["T315I"], "inhibitors": ["imatinib", "dasatinib"], **changes}
    return validate_study(data, "test")


def entry(name: str, **changes) -> StructureEntry:
    base = StructureEntry(name, "ABL1", "P00519", "1XXX", "x.cif.gz", 229, 498, "in", "in", (0, 0, 0), (20, 20, 20))
    return replace(base, **changes)


def steps_of(planned) -> dict[str, int]:
    return {name: sum(task.step == name for task in planned.tasks) for name in NAMES}


# ------------------------------------------------------------------------------------------------- choosing


def test_type_two_needs_dfg_out_and_everything_else_dfg_in():
    assert [wanted_dfg(kind) for kind in ("II", "I", "I1/2", "nucleotide", "unknown")] == [
        "out",
        "in",
        "in",
        "in",
        "in",
    ]


def test_choice_prefers_state_then_own_crystal_then_crystal_over_model():
    flipped, crystal = entry("a-out", dfg="out"), entry("b-in")
    model, own = entry("a-model", modelled=True), entry("z-own", bound_ligand="dasatinib")
    everything = [flipped, crystal, model, own]
    assert choose_entry(everything, "II", "imatinib") == flipped
    assert choose_entry(everything, "I", "dasatinib") == own
    assert choose_entry(everything, "I", "bosutinib") == crystal
    assert choose_entry([flipped, model], "I", "bosutinib") == model
    assert choose_entry([flipped, entry("c", dfg="inter")], "I", "bosutinib").name == "c"
    with pytest.raises(StructureError, match="no structure of this kinase"):
        choose_entry([], "I", "bosutinib")


def test_choice_leaves_out_what_was_made_for_other_binding_types():
    for_atp, for_drugs = entry("a", suits=("nucleotide",)), entry("b", suits=("I", "I1/2"))
    everything = [for_atp, for_drugs]
    assert choose_entry(everything, "nucleotide", "ATP.Mg") == for_atp
    assert choose_entry(everything, "I", "dasatinib") == for_drugs
    assert choose_entry([for_atp], "I", "dasatinib") == for_atp


def test_choice_follows_the_helix_and_the_longer_chain():
    helix_out = entry("a", alpha_c="out")
    assert choose_entry([helix_out, entry("b")], "I", "x").name == "b"
    assert choose_entry([helix_out, entry("b")], "I1/2", "x").name == "a"
    assert choose_entry([entry("a", first=233), entry("b", first=229)], "I", "x").name == "b"


def test_warnings_name_what_is_uncertain():
    flipped = entry("abl1-out", dfg="out")
    assert "no DFG-in structure of ABL1" in choice_warnings("abl1-out", "out", "I", "dasatinib", "ABL1")[0]
    assert "my.pdb is DFG-out, and a type I inhibitor needs DFG-in" in choice_warnings("my.pdb", "out", "I", "x")[0]
    assert choice_warnings("abl1-out", "out", "II", "imatinib", "ABL1") == []
    assert choice_warnings("my.pdb", "unknown", "II", "imatinib") == []
    model = entry("m", modelled=True, expected_error="0.4 A off.")
    assert model_warning(model, ["a", "b"]) == ["a, b: m is a modelled structure, not a crystal. 0.4 A off."]
    assert model_warning(flipped, ["a"]) == []
    assert "outside the ATP site" in ligand_warnings(LigandEntry("asciminib", "C", binding_type="IV"), "asciminib")[0]
    assert "not known" in ligand_warnings(None, "mine")[0]


def test_a_covalent_inhibitor_is_told_what_the_mutation_does_to_its_bond():
    egfr = plan(study(kinase="EGFR", mutations=["C797S", "T790M"], inhibitors=["osimertinib", "gefitinib"]), STEPS)
    told = [text for text in egfr.warnings if text.startswith("osimertinib bonds to EGFR C797")]
    assert len(told) == 2
    assert "C797S removes that residue, so the covalent step is lost" in told[0]
    assert "only the reversible complex" in told[1]
    assert not any(text.startswith("gefitinib bonds") for text in egfr.warnings)


def test_a_table_gives_a_row_for_each_molecule_and_a_failure_for_a_bad_one(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("name,smiles\nfirst,Cc1ccccc1\nbroken,C1CC\nsecond,Oc1ccccc1\n")
    planned = plan(study(inhibitors=[str(table)]), STEPS)
    labels = [cell.ligand.label for cell in planned.cells if not cell.is_atp]
    assert labels == ["first", "broken", "second"]
    texts = {task.params["ligand"] for task in planned.tasks if task.step == "ligand"}
    assert {f"{table}#{row}" for row in (2, 3, 4)} <= texts


# ------------------------------------------------------------------------------------------------ mutations


def test_wrong_wild_type_residue_is_told_with_the_other_numbering():
    abl1 = load_kinase("ABL1")
    check_against_sequence(Variant((Substitution(315, "T", "I"),)), abl1)
    with pytest.raises(MutationError, match="T334I: residue 334 of ABL1 is E, not T; did you mean T315I.*isoform 1b"):
        check_against_sequence(Variant((Substitution(334, "T", "I"),)), abl1)
    with pytest.raises(MutationError, match="did you mean T790M"):
        check_against_sequence(Variant((Substitution(766, "T", "M"),)), load_kinase("EGFR"))
    with pytest.raises(MutationError, match="does not exist .1130 residues"):
        check_against_sequence(Variant((Substitution(9999, "T", "I"),)), abl1)


def test_left_out_wild_type_is_filled_in():
    assert plan(study(mutations=["315I"]), STEPS).cells[0].variant.label == "T315I"


def test_residue_must_be_in_the_structure():
    letters = {314: "I", 315: "T"}
    check_present(Variant((Substitution(315, "T", "I"),)), letters, "x.pdb", "author")
    with pytest.raises(MutationError, match=r"x\.pdb has no residue 400 in author numbering \(present: 314-315\)"):
        check_present(Variant((Substitution(400, "T", "I"),)), letters, "x.pdb", "author")
    with pytest.raises(MutationError, match="residue 314 of x.pdb is I"):
        check_present(Variant((Substitution(314, "T", "M"),)), letters, "x.pdb", "author")


def test_mutations_are_read_once_each():
    assert [variant.label for variant in parse_mutations(["T315I", "E255K/T315I"])] == ["T315I", "E255K/T315I"]
    with pytest.raises(MutationError, match="given twice"):
        parse_mutations(["T315I", "p.Thr315Ile"])
    with pytest.raises(MutationError):
        parse_mutations(["gatekeeper"])


# ---------------------------------------------------------------------------------------------------- plans


def test_shared_work_is_planned_once():
    planned = plan(study(mutations=["T315I", "E255K"]), STEPS)
    shared = {"ligand": 3, "parameters": 3, "pose": 3}
    assert steps_of(planned).items() >= shared.items()
    assert steps_of(planned)["state"] == steps_of(planned)["dynamics"] == 2 * 2 * 3
    assert steps_of(planned)["comparison"] == len(planned.cells) == 6
    assert [cell.is_atp for cell in planned.cells] == [False, False, True] * 2
    assert len({task.key for task in planned.tasks}) == len(planned.tasks)


def test_every_task_comes_after_what_it_needs():
    planned = plan(study(), STEPS)
    seen: set[str] = set()
    for task in planned.tasks:
        assert set(task.inputs.values()) <= seen
        seen.add(task.key)
    assert not Schedule(planned.tasks).finished


def test_wild_type_and_mutant_share_their_seed():
    planned = plan(study(), STEPS)
    for step in ("state", "dynamics"):
        seeds = [task.params["seed"] for task in planned.tasks if task.step == step]
        assert len(seeds) == 6
        assert len(set(seeds)) == 3


def test_type_two_goes_to_dfg_out_and_atp_to_dfg_in_where_the_library_has_it():
    planned = plan(study(), STEPS)
    chosen = {cell.ligand.label: cell.template for cell in planned.cells}
    states = {item.dfg for item in structure.catalogue() if item.kinase == "ABL1"}
    assert chosen["imatinib"].dfg == "out"
    assert chosen["ATP.Mg"].dfg == chosen["dasatinib"].dfg
    assert chosen["dasatinib"].dfg == ("in" if "in" in states else "out")
    if "in" not in states:
        assert any("no DFG-in structure" in text for text in planned.warnings)


def test_plan_is_the_same_every_time_and_changes_where_it_must():
    def keys(**changes):
        return {task.label: task.key for task in plan(study(**changes), STEPS).tasks}

    base = keys()
    assert base == keys()
    assert base == keys(title="other", question="other", atp={"concentration_mm": 5.0})

    def changed(**changes):
        other = keys(**changes)
        return {label.split(" ")[0] for label in base if other[label] != base[label]}

    assert changed(md={"production_ps": 20.0}) == {"wild-type", "mutant", "comparison"}
    assert {label for label in base if keys(md={"production_ps": 20.0})[label] != base[label]} == {
        label for label in base if "dynamics" in label or "comparison" in label
    }
    assert "pose" in changed(docking={"exhaustiveness": 4})
    assert "structure" not in changed(docking={"exhaustiveness": 4})
    assert len(changed(seed=1)) >= 6


def test_a_new_version_of_a_step_changes_what_follows_it_only():
    newer = {**STEPS, "pose": FakeStep("2", number)}
    old = {task.label: task.key for task in plan(study(), STEPS).tasks}
    new = {task.label: task.key for task in plan(study(), newer).tasks}
    same = {label.split(" ")[0] for label in old if old[label] == new[label]}
    assert same == {"structure", "molecule", "parameters"}


def test_without_dynamics_and_without_atp():
    planned = plan(study(md={"enabled": False}, atp={"include": False}), STEPS)
    assert steps_of(planned)["dynamics"] == steps_of(planned)["comparison"] == 0
    assert [cell.ligand.label for cell in planned.cells] == ["imatinib", "dasatinib"]
    assert set(planned.cells[0].keys) == {"receptor", "ligand", "parameters", "pose", "start", "wild_type", "mutant"}


def test_seeds_are_derived_from_names():
    assert derive_seed(1, "a", "b") == derive_seed(1, "a", "b")
    assert (
        len({derive_seed(1, "a", "b"), derive_seed(2, "a", "b"), derive_seed(1, "ab"), derive_seed(1, "b", "a")}) == 4
    )
    assert all(0 <= derive_seed(i) < 2**31 for i in range(50))


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"kinase": "ABL7"}, InputError, "did you mean .*'ABL1'"),
        ({"kinase": ""}, SettingsError, "set kinase"),
        ({"inhibitors": ["imatinob"]}, LigandError, "imatinib"),
        ({"inhibitors": ["c1ccccc"]}, LigandError, "c1ccccc"),
        ({"mutations": ["T334I"]}, MutationError, "did you mean T315I"),
        ({"mutations": ["M1V"]}, StructureError, "has residues"),
        ({"structures": {"dfg_in": "abl1-1iepp"}}, StructureError, "abl1-1iep"),
        ({"structures": {"dfg_in": "egfr-dockstring"}}, StructureError, "is a structure of EGFR"),
        ({"structures": {"dfg_in": "absent.pdb"}}, StructureError, "no such structure file"),
    ],
)
def test_bad_input_is_told_before_anything_is_computed(changes, error, says):
    with pytest.raises(error, match=says):
        plan(study(**changes), STEPS)


# ------------------------------------------------------------------------------------------ structure files


@pytest.fixture
def structure_file(tmp_path):
    """The DFG-out library structure of ABL1 as a file of the user's, in the numbering of isoform 1b."""
    model = gemmi.read_structure(str(library_dir("structures") / structure.find_entry("abl1-1iep").file))
    for chain in model[0]:
        for residue in chain:
            residue.seqid.num += 19
    path = tmp_path / "mine.pdb"
    model.write_pdb(str(path))
    return path


def test_kinase_is_read_from_the_structure(structure_file):
    both = {"dfg_in": str(structure_file), "dfg_out": str(structure_file)}
    planned = plan(study(kinase="", structures=both), STEPS)
    assert planned.kinase.gene == "ABL1"
    assert {cell.template.label for cell in planned.cells if not cell.is_atp} == {"mine.pdb"}
    author = plan(study(kinase="", structures=both, mutations=["T334I"], numbering="author"), STEPS)
    assert author.cells[0].variant.label == "T334I"
    with pytest.raises(
        MutationError, match=r"residue 315 of mine.pdb is .*; in UniProt numbering 315 is T: use numbering = .uniprot."
    ):
        plan(study(kinase="", structures=both, mutations=["T315I"], numbering="author"), STEPS)
    with pytest.raises(StructureError, match="the chain is ABL1 .P00519., the study is about KIT"):
        plan(study(kinase="KIT", structures=both, mutations=["T670I"]), STEPS)


def test_one_mutation_draws_one_set_of_seeds_however_it_is_numbered(structure_file):
    both = {"dfg_in": str(structure_file), "dfg_out": str(structure_file)}
    ours = plan(study(structures=both, mutations=["T315I", "E255K"]), STEPS)
    theirs = plan(study(structures=both, mutations=["T334I", "E274K"], numbering="author"), STEPS)

    def seeds(planned):
        return [task.params["seed"] for task in planned.tasks if task.step in ("state", "dynamics")]

    assert seeds(ours) == seeds(theirs)
    assert len(set(seeds(ours))) > 2


def test_a_library_structure_stands_in_where_the_named_one_cannot_hold_atp(structure_file):
    """The file is DFG-out: measured, not told."""
    named = {"dfg_in": str(structure_file), "dfg_out": str(structure_file)}
    planned = plan(study(structures=named), STEPS)
    assert [(cell.template.label, cell.template.dfg) for cell in planned.cells[:2]] == [("mine.pdb", "out")] * 2
    assert planned.cells[-1].template.dfg == "in"
    assert any("ATP.Mg: mine.pdb is DFG-out and cannot hold it; abl1" in text for text in planned.warnings)
    assert any("dasatinib: mine.pdb is DFG-out, and a type I inhibitor" in text for text in planned.warnings)
    author = plan(study(structures=named, mutations=["T334I"], numbering="author"), STEPS)
    assert author.cells[-1].template.label == "mine.pdb", "the library does not count as the file does"
    assert any("name a DFG-in structure" in text for text in author.warnings)


def test_the_chain_of_a_mutation_is_the_chain_that_is_used(structure_file):
    named = {"dfg_in": str(structure_file), "dfg_out": str(structure_file)}
    chain = gemmi.read_structure(str(structure_file))[0][0].name
    assert plan(study(structures=named, mutations=[f"{chain}:T315I"]), STEPS).cells
    with pytest.raises(StructureError, match="X:T315I: chain . of mine.pdb is used.*--chain X"):
        plan(study(structures=named, mutations=["X:T315I"]), STEPS)


def test_chain_and_author_numbers_of_a_file_are_not_asked_of_the_library(structure_file):
    chain = gemmi.read_structure(str(structure_file))[0][0].name
    mixed = {"dfg_out": str(structure_file), "chain": chain}
    tasks = plan(study(structures=mixed), STEPS).tasks
    receptors = {task.params["entry"]: task.params["chain"] for task in tasks if task.step == "receptor"}
    assert receptors.pop(str(structure_file)) == chain
    assert set(receptors.values()) == {""}
    with pytest.raises(MutationError, match="residue 334 of ABL1 is E"):
        plan(study(structures=mixed, mutations=["T334I"], numbering="author"), STEPS)


def test_residues_with_insertion_codes_do_not_hide_those_without(structure_file):
    lines = structure_file.read_text().splitlines()
    coded = [line[:22] + " 334A" + line[27:] if line[22:27] == " 335 " else line for line in lines]
    structure_file.write_text("\n".join(coded) + "\n")
    named = {"dfg_in": str(structure_file), "dfg_out": str(structure_file)}
    assert plan(study(structures=named, mutations=["T334I", "E334AK"], numbering="author"), STEPS).cells


def test_a_moved_file_keeps_its_keys_and_a_changed_one_does_not(structure_file, tmp_path):
    def keys(path):
        return [t.key for t in plan(study(structures={"dfg_in": str(path), "dfg_out": str(path)}), STEPS).tasks]

    moved = tmp_path / "elsewhere" / "mine.pdb"
    moved.parent.mkdir()
    moved.write_bytes(structure_file.read_bytes())
    first = keys(structure_file)
    assert first == keys(moved)
    moved.write_bytes(structure_file.read_bytes().replace(b" 1.00 ", b" 0.90 "))
    assert first[0] != keys(moved)[0]
