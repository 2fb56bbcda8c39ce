"""Simulate the same complex as wild type and mutant, with the inhibitor, with ATP and apo, and compare."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dockkit.commands.running import add_running, workers

_GOOD, _SOME_FAILED = 0, 1
_SECONDS_ON_TERMINAL, _SECONDS_IN_FILE = 10.0, 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``dockkit md``."""
    parser.add_argument(
        "structure", metavar="STRUCTURE",
        help="PDB or mmCIF file (a complex is taken with its bound pose), library structure, PDB id or accession",
    )  # fmt: skip
    parser.add_argument(
        "--ligand", required=True, action="append", metavar="LIGAND",
        help="SDF or MOL2 file, SMILES, or library name; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--mutation", required=True, action="append", metavar="MUTATION", help="such as T315I; may be given again"
    )
    parser.add_argument(
        "--preset", choices=("pocket", "implicit", "explicit"), default="pocket",
        help="what is simulated: a mobile pocket in frozen surroundings, the domain in implicit solvent, or in water",
    )  # fmt: skip
    parser.add_argument("--ns", type=float, metavar="N", help="total length of each replica (default: the preset's)")
    parser.add_argument("--replicas", type=int, metavar="N", help="replicas of each state (default: the preset's)")
    parser.add_argument("--apo", action="store_true", help="simulate the protein without a ligand too")
    parser.add_argument("--atp", action="store_true", help="simulate it with ATP and two magnesium ions too")
    parser.add_argument("--seed", type=int, help="seed of everything random")
    parser.add_argument(
        "--platform", default="", help="CUDA, HIP, OpenCL, CPU or gpu (default: the fastest that works)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any other key of [md] in a study file"
    )
    parser.add_argument("--chain", default="", help="chain of the structure (default: the first protein chain)")
    parser.add_argument("--kinase", default="", help="gene or UniProt accession (default: read from the sequence)")
    parser.add_argument(
        "--numbering", choices=("uniprot", "author"), default="uniprot", help="how the mutations count residues"
    )
    parser.add_argument("--out", metavar="DIR", help="output folder (default: named after the input)")
    add_running(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Simulate; heavy modules are loaded here."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit.api import dynamics, job_script

    watch: list[_Watch] = []

    where = workers(arguments)

    def show_plan(work: dynamics.MdPlan) -> None:
        _show_plan(work)
        if arguments.dry_run:
            print(job_script(where))
            return
        watch.append(_Watch(work.simulations, dynamics.md_progress))
        watch[0].start()

    try:
        done = dynamics.simulate(
            arguments.structure, arguments.ligand, arguments.mutation, arguments.out,
            preset=arguments.preset, ns=arguments.ns, replicas=arguments.replicas, apo=arguments.apo,
            atp=arguments.atp, seed=arguments.seed, platform=arguments.platform, kinase=arguments.kinase,
            chain=arguments.chain, numbering=arguments.numbering, settings=_settings(arguments.set),
            jobs=where, fresh=arguments.fresh, on_plan=show_plan, on_event=_show_event, on_note=_show_note,
            dry_run=arguments.dry_run,
        )  # fmt: skip
    finally:
        for thread in watch:
            thread.stop()
    if done is None:
        return _GOOD
    _show_rows(done)
    return _SOME_FAILED if done.failed else _GOOD


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` pairs as settings; numbers and true or false are read as in a study file."""
    import tomllib

    from dockkit.core.errors import SettingsError

    given = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair}: give KEY=VALUE, such as equilibration_ps=5")
        try:
            given[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            given[name.strip()] = text
    return given


def _show_plan(work: Any) -> None:
    md = work.settings
    if work.warning:
        bar = "*" * 100
        print(f"{bar}\n{work.warning}\n{bar}", file=sys.stderr)
    complexes = ", ".join(dict.fromkeys(f"{cell.label} in {cell.cell.template.label}" for cell in work.cells))
    length = f"{md.replicas} x {md.production_ps / 1000:g} ns after {md.equilibration_ps:g} ps of equilibration"
    left = sum(task.key not in work.stored for task in work.plan.tasks)
    print(f"{work.plan.kinase.gene} {', '.join(work.plan.study.mutations)} against wild type")
    print(f"  complexes   {complexes}")
    print(f"  sampling    {md.preset}, {length} per state, steps of {md.step_fs:g} fs, {md.temperature_kelvin:g} K")
    print(f"  platform    {work.platform}, {work.jobs} process{'es' if work.jobs > 1 else ''}")
    print(f"  to do       {left} of {len(work.plan.tasks)} tasks; output in {work.out}", flush=True)
    for text in work.plan.warnings:
        print(f"  warning: {text}", flush=True)


def _show_event(event: Any) -> None:
    outcome = event.outcome
    if outcome is None or event.kind == "reused":
        return
    if outcome.status == "failed":
        print(f"{outcome.label} failed: {outcome.message}", flush=True)
    elif outcome.status == "ok":
        print(f"{outcome.label} ({outcome.seconds:.1f} s)", flush=True)


def _show_note(text: str) -> None:
    print(text, flush=True)


class _Watch(threading.Thread):
    """Prints how far the replicas are, from time to time."""

    def __init__(self, folder: Path, read: Any) -> None:
        super().__init__(daemon=True)
        self._folder, self._read = folder, read
        self._end = threading.Event()
        self._last: dict[str, float] = {}

    def run(self) -> None:
        """Print until told to stop."""
        pause = _SECONDS_ON_TERMINAL if sys.stdout.isatty() else _SECONDS_IN_FILE
        self._last = {item.label: item.done_ps for item in self._read(self._folder)}
        while not self._end.wait(pause):
            for item in self._read(self._folder):
                if item.stage != "done" and item.done_ps != self._last.get(item.label):
                    print(_line(item), flush=True)
                self._last[item.label] = item.done_ps

    def stop(self) -> None:
        """Stop printing."""
        self._end.set()


def _line(item: Any) -> str:
    left = time.strftime("%H:%M:%S", time.gmtime(item.seconds_left)) if item.seconds_left < 86400 else "over a day"
    return (
        f"  {item.label}: {item.stage} {item.done_ps:.1f}/{item.total_ps:.1f} ps, {item.ns_per_day:.2f} ns/day, "
        f"{item.temperature_kelvin:.0f} K, {item.potential_kcal_mol:.0f} kcal/mol, {left} left"
    )


def _show_rows(done: Any) -> None:
    print()
    print(f"{'mutation':14}{'complex':14}{'state':11}{'replica':>8}{'ns':>9}{'K':>8}{'kcal/mol':>12}  note")
    for row in done.rows:
        numbers = f"{row.length_ps / 1000:9.3f}{row.mean_kelvin:8.1f}{row.mean_potential_kcal_mol:12.1f}"
        note = row.message if row.status != "ok" else row.message[:100]
        print(f"{row.mutation:14}{row.complex:14}{row.state:11}{row.replica:8d}{numbers}  {note}")
    for study in done.studies:
        print(f"{study.variant}: {'; '.join(study.words) or 'see the page'}")
        print(f"page         {done.plan.out / 'analysis' / study.variant / 'dynamics.html'}")
    print(f"trajectories {done.plan.out / 'trajectories'}  (XTC with a PDB of the same name as topology)")
    print(f"table        {done.plan.out / 'replicas.csv'}")
