"""The whole line with the real steps, small: a bound ligand, one mutation and its self-mutation control."""

from __future__ import annotations

import csv
import json
import math

import gemmi
import mdtraj
import numpy as np
import pytest
from rdkit import Chem

from dockkit import api
from dockkit.core.library import library_dir
from dockkit.core.units import thermal_energy

SMALL = {
    "relax": {"n_starts": 2, "max_iterations": 20, "cutoff_angstrom": 8.0},
    "md": {
        "replicas": 2,
        "equilibration_ps": 0.02,
        "production_ps": 0.2,
        "frame_ps": 0.1,
        "segment_ps": 0.1,
        "cutoff_angstrom": 7.0,
        "frozen_angstrom": 5.0,
    },
    "seed": 7,
}
LIGAND = "cdk2-1h1q-ligand.sdf"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    ligand = library_dir("structures") / LIGAND
    study = api.compare_study("cdk2-1h1q", [ligand], ["F80L", "F80F"], name="cdk2", **SMALL)
    return api.execute(study, out, jobs=1), study, out


def test_every_row_is_finite_and_the_control_is_exactly_zero(finished):
    run, _, out = finished
    with (out / "results.csv").open(newline="") as handle:
        rows = {(row["mutation"], row["ligand"]): row for row in csv.DictReader(handle)}
    assert {row["status"] for row in rows.values()} == {"ok"}, [row["message"] for row in rows.values()]
    assert len(rows) == 4, "two mutations, each with the ligand and with ATP.Mg"
    for (mutation, _), row in rows.items():
        value = float(row["ddg_inhibitor_kcal_mol"])
        assert math.isfinite(value)
        if mutation == "F80F":
            assert value == 0.0
    changed = [row for (mutation, ligand), row in rows.items() if mutation == "F80L" and ligand != "ATP.Mg"]
    row = changed[0]
    rt, ratio = thermal_energy(298.15), 2000.0 / 25.0
    competition = (1 + ratio * math.exp(-float(row["ddg_atp_kcal_mol"]) / rt)) / (1 + ratio)
    expected = float(row["ddg_inhibitor_kcal_mol"]) + rt * math.log(competition)
    assert float(row["ddg_effective_kcal_mol"]) == pytest.approx(expected, abs=1e-6), "Cheng-Prusoff by hand"
    assert float(row["fold_change"]) == pytest.approx(math.exp(expected / rt), rel=1e-6)
    assert row["call"] in {"lost", "weakened", "kept", "gained"}
    assert run.failed == ()


def test_what_is_written_opens_in_other_programs(finished):
    _, _, out = finished
    pdb = next((out / "structures").glob("F80L_*ligand*_mutant.pdb"), None) or next(
        path for path in sorted((out / "structures").glob("F80L_*_mutant.pdb")) if "ATP" not in path.name
    )
    model = gemmi.read_structure(str(pdb))[0]
    residue = next(r for chain in model for r in chain if r.seqid.num == 80 and r.name == "LEU")
    assert residue.find_atom("CD1", "\0") is not None
    assert gemmi.read_structure(str(pdb.with_suffix(".cif")))[0].count_atom_sites() == model.count_atom_sites()
    trajectory = next(path for path in sorted((out / "trajectories").glob("F80L_*mutant_replica1.dcd")))
    topology = trajectory.with_name(trajectory.name.replace("_replica1.dcd", ".pdb"))
    frames = mdtraj.load(str(trajectory), top=str(topology))
    assert frames.n_frames == 2
    assert np.isfinite(frames.xyz).all()
    poses = sorted((out / "poses").glob("*.sdf"))
    assert all(mol is not None for path in poses for mol in Chem.SDMolSupplier(str(path), removeHs=False))
    provenance = json.loads((out / "run.json").read_text())
    assert "openmm" in json.dumps(provenance).lower()
    assert "seed" in json.dumps(provenance)


def test_energies_add_up_to_the_result(finished):
    run, _, out = finished
    detail = next(d for d in run.result.rows if d.row.mutation == "F80L")
    states = (detail.wild_type, detail.mutant)
    for state in states:
        assert state.per_residue.sum() + state.desolvation == pytest.approx(state.mean_terms.sum(), abs=1e-6)
    means = [float(state.weights @ state.terms.sum(axis=1)) for state in states]
    assert detail.row.ddg_inhibitor_kcal_mol == pytest.approx(means[1] - means[0], abs=1e-9)
    assert (out / "energies").is_dir()
    atp = [d.mutant for d in run.result.atp if d.mutant is not None]
    assert atp
    assert all((state.terms[:, 4] == 0.0).all() for state in atp)
    assert (states[1].terms[:, 4] != 0.0).all()


def test_a_second_run_computes_nothing_and_says_the_same(finished):
    _, study, out = finished
    before = (out / "results.csv").read_bytes()
    kinds = []
    api.execute(study, out, jobs=1, on_event=lambda event: kinds.append(event.kind))
    assert "started" not in kinds
    assert (out / "results.csv").read_bytes() == before


def test_the_report_opens_without_a_network(finished):
    _, _, out = finished
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "CDK2" in page
    assert "default-src 'none'" in page
    assert 'src="http' not in page
