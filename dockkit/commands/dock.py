"""Dock ligands into structures, mutants and conformations: poses, checked and chosen, in one ranked list."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockkit.commands.running import add_running, workers

if TYPE_CHECKING:
    from dockkit.api.docking import DockRun

_SHOWN = 40
"""Rows of the list that are printed; the file has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``dockkit dock``."""
    parser.add_argument(
        "structures", nargs="+", metavar="STRUCTURE",
        help="PDB or mmCIF file, PDB id, UniProt accession or library name; several conformations are an ensemble",
    )  # fmt: skip
    parser.add_argument(
        "--ligand", required=True, action="append", metavar="LIGAND",
        help="library name, SMILES, SDF or MOL2 file, or a table of them (CSV, SDF); may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--mutation", action="append", default=[], metavar="MUTATION",
        help="such as T315I or L858R/T790M; docked into beside the wild type; may be given again",
    )  # fmt: skip
    parser.add_argument("--keep-state", action="store_true", help="take protonation and tautomers as they are written")
    parser.add_argument(
        "--enumerate-stereo",
        action="store_true",
        help="each isomer of an undefined stereocentre is a ligand of its own",
    )
    add_docking(parser)


def add_docking(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``dock`` and ``redock`` share."""
    parser.add_argument(
        "--box", metavar="BOX",
        help="ligand (around the bound one), pocket (KLIFS), or --box=x,y,z,a,b,c in Angstrom (default: the library's "
        "box, else ligand where one is bound in the pocket, else pocket)",
    )  # fmt: skip
    parser.add_argument(
        "--flexible", action="append", metavar="RESIDUES",
        help="side chains that move: gatekeeper, neighbours, or residues such as T315,F317",
    )  # fmt: skip
    parser.add_argument(
        "--engine", metavar="ENGINE", help="docking engine: vina, or a .py file of yours (docs/docking.md)"
    )
    parser.add_argument("--exhaustiveness", type=int, metavar="N", help="length of the search (default 8)")
    parser.add_argument("--poses", type=int, metavar="N", help="poses kept of each ligand (default 9)")
    parser.add_argument(
        "--rescore", action="store_true", help="minimise the poses and let MM-GBSA energies take part in the choice"
    )
    parser.add_argument("--no-checks", action="store_true", help="leave out the PoseBusters checks")
    parser.add_argument("--seed", type=int, metavar="S", help="seed of everything random (default 2026)")
    parser.add_argument("--chain", metavar="C", help="chain of the structures (default: a kinase chain, with a ligand)")
    parser.add_argument("--ligand-code", metavar="CODE", help="the bound ligand that is meant, such as STI")
    parser.add_argument("--ligand-smiles", metavar="SMILES", help="its bond orders, where it has no code")
    parser.add_argument(
        "--numbering", choices=("uniprot", "author"), help="how mutations and residues count, and the files written"
    )
    parser.add_argument("--waters", choices=("bridging", "none"), help="crystal waters in the receptor (default none)")
    parser.add_argument("--cache", metavar="DIR", help="folder for downloads")
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./<command>-<structure>)")
    add_running(parser, dry_run=False)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def docking_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given; what was not keeps its default."""
    given: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("box", "flexible", "seed", "chain", "ligand_code", "ligand_smiles", "numbering")
        if getattr(arguments, name) is not None
    }
    if arguments.rescore:
        given["rescore"] = True
    if arguments.no_checks:
        given["checks"] = False
    docking = {"engine": arguments.engine, "exhaustiveness": arguments.exhaustiveness, "n_poses": arguments.poses}
    given["docking"] = {name: value for name, value in docking.items() if value is not None}
    given["preparation"] = {"waters": arguments.waters or "none"}
    return given


def run(arguments: argparse.Namespace) -> int:
    """Dock, print the ranked list, and return the exit code."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit.api.docking import dock

    settings = docking_settings(arguments)
    settings["ligands"] = {"keep_state": arguments.keep_state, "enumerate_stereo": arguments.enumerate_stereo}
    done = run_with_progress(
        lambda **hooks: dock(
            arguments.structures, arguments.ligand, arguments.mutation, out=arguments.out, jobs=workers(arguments),
            fresh=arguments.fresh, cache=arguments.cache, **hooks, **settings,
        )
    )  # fmt: skip
    columns = ("rank", "structure", "kinase", "dfg", "mutant", "ligand", "score_kcal_mol", "pose", "valid")
    show(done, columns, "AutoDock Vina's score of the chosen pose" if _is_vina(done) else "score of the chosen pose")
    return 1 if done.failed else 0


def _is_vina(done: DockRun) -> bool:
    return done.plan.settings.docking.engine == "vina"


def run_with_progress(call: Any) -> DockRun:
    """Call ``call(on_plan=..., on_event=...)`` with progress shown."""
    from dockkit.console import Progress

    with Progress() as progress:

        def on_plan(plan: Any, stored: Mapping[str, Any], out: Path, jobs: int) -> None:
            settings = plan.settings
            counts = [len({cell.structure.label for cell in plan.cells}), len({cell.mutant for cell in plan.cells})]
            ligands = len({cell.ligand.label for cell in plan.cells})
            what = f"{_count(counts[0], 'structure')}" + ("" if plan.redock else f" x {_count(ligands, 'ligand')}")
            what += f", wild type and {_count(counts[1] - 1, 'mutant')}" if counts[1] > 1 else ""
            lines = [
                f"{'redock' if plan.redock else 'dock'}: {what}",
                f"  engine      {Path(settings.docking.engine).name}, exhaustiveness "
                f"{settings.docking.exhaustiveness}, seed {settings.seed}, box {settings.box}"
                + (f", moving {', '.join(settings.flexible)}" if settings.flexible else ""),
                f"  running     {_count(jobs, 'process', 'processes')}, {len(plan.tasks) - len(stored)} of "
                f"{_count(len(plan.tasks), 'task')} to do, output in {out}",
                *(f"  warning: {text}" for text in plan.warnings),
            ]
            progress.begin(lines, plan.tasks, stored)

        done: DockRun = call(on_plan=on_plan, on_event=progress.show_event, on_note=progress.show_note)
    return done


def _count(number: int, word: str, plural: str = "") -> str:
    return f"{number} {word if number == 1 else plural or word + 's'}"


def show(done: DockRun, columns: Sequence[str], caption: str) -> None:
    """Print the list, the failures and where the files are."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 140)
    rows = done.summary
    table = Table(caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        heading = name.replace("_kcal_mol", "\nkcal/mol").replace("_angstrom", "\nÅ").replace("_", " ")
        table.add_column(heading, justify="right" if rows and _is_number(rows[0].get(name, "")) else "left")
    table.add_column("why", min_width=20)
    for row in rows[:_SHOWN]:
        table.add_row(*(escape(row.get(name, "")) for name in columns), escape(row["reason"]))
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"{len(rows) - _SHOWN} more rows in summary.csv")
    if done.failed:
        console.print(f"{_count(len(done.failed), 'row')} failed; each has its reason in summary.csv", soft_wrap=True)
    for what, path in done.files:
        console.print(escape(f"{what:9}{path}"), soft_wrap=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text
    return True
