"""Mutations against inhibitors: the resistance matrix, the ranking, and which two inhibitors hold most of it."""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockkit.commands.running import add_running, workers

if TYPE_CHECKING:
    from dockkit.api.panels import PanelRun

_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``dockkit panel``."""
    parser.add_argument(
        "study", nargs="?", metavar="STUDY",
        help="a study file or a bundled study (dockkit run --list), instead of --mutations and --inhibitors",
    )  # fmt: skip
    parser.add_argument(
        "--mutations", nargs="+", default=[], metavar="LIST",
        help="T315I,E255K,E255K/T315I; or files: MAF (column HGVSp_Short), CSV or TSV table, text with one a line",
    )  # fmt: skip
    parser.add_argument(
        "--inhibitors", nargs="+", default=[], metavar="LIST",
        help="library names, SMILES, SDF files or tables; separated by blanks or commas",
    )  # fmt: skip
    parser.add_argument("--kinase", default="", help="gene or UniProt accession (default: read from the structure)")
    parser.add_argument(
        "--structure", default="", metavar="FILE",
        help="PDB or mmCIF file, PDB id or library structure, for every inhibitor (default: the library's)",
    )  # fmt: skip
    parser.add_argument("--chain", default="", help="chain of the structure (default: the first protein chain)")
    parser.add_argument(
        "--numbering", choices=("uniprot", "author"), default="uniprot", help="how the mutations count residues"
    )
    parser.add_argument(
        "--min-cases", type=float, default=0.0, metavar="N", help="leave out mutations that were seen less often"
    )
    parser.add_argument(
        "--no-compounds", action="store_true",
        help="take mutations of one sample one by one only, not also together (T790M/C797S)",
    )  # fmt: skip
    parser.add_argument(
        "--covered-fold", type=float, metavar="FOLD", help="an inhibitor holds a mutation up to this fold change"
    )
    parser.add_argument("--md", action="store_true", help="also short dynamics of every pair (slow)")
    parser.add_argument("--no-atp", action="store_true", help="leave the ATP half out")
    parser.add_argument("--seed", type=int, help="seed of everything random")
    parser.add_argument(
        "--details", action="store_true", help="also write report.html, structures and energies of every pair"
    )
    parser.add_argument("--cache", metavar="DIR", help="folder for downloads")
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./<study name>, ./panel-<kinase>)")
    add_running(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Compute the panel, print what holds most of it, and return the exit code."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit import api, console
    from dockkit.api.panels import make_panel, run_panel
    from dockkit.core.errors import SettingsError

    lists = bool(arguments.mutations or arguments.inhibitors)
    if arguments.study and (lists or arguments.kinase or arguments.structure):
        raise SettingsError("give a study, or --mutations, --inhibitors and --kinase or --structure, not both")
    if not arguments.study and not (arguments.mutations and arguments.inhibitors):
        raise SettingsError("give --mutations and --inhibitors, or a study (dockkit run --list shows the bundled ones)")
    made = make_panel(
        arguments.mutations, arguments.inhibitors, study=arguments.study, kinase=arguments.kinase,
        structure=arguments.structure, chain=arguments.chain, numbering=arguments.numbering,
        minimum_cases=arguments.min_cases, compounds=not arguments.no_compounds, cache=arguments.cache,
        **_settings(arguments),
    )  # fmt: skip
    where = workers(arguments)
    if arguments.dry_run:
        out = Path(arguments.out or made.study.name)
        lines = console.plan_lines(api.plan_study(made.study), {}, out, where.count)
        notes = [f"  note: {note}" for note in made.notes]
        print("\n".join([*lines, *_refused(made.refused), *notes, api.job_script(where)]))
        return 0
    print("".join(f"{line}\n" for line in (*_refused(made.refused), *(f"  note: {n}" for n in made.notes))), end="")
    with console.Progress() as progress:
        done = run_panel(
            made, arguments.out, details=arguments.details, jobs=where, fresh=arguments.fresh,
            on_plan=progress.show_plan, on_event=progress.show_event, on_note=progress.show_note,
        )  # fmt: skip
    _show(done)
    return 1 if done.run.failed else 0


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given."""
    given: dict[str, Any] = {"md": {"enabled": bool(arguments.md)}}
    if arguments.no_atp:
        given["atp"] = {"include": False}
    if arguments.seed is not None:
        given["seed"] = arguments.seed
    if arguments.covered_fold is not None:
        given["panel"] = {"covered_fold": arguments.covered_fold}
    return given


def _refused(rows: Any) -> list[str]:
    shown = [f"  left out: {row.text or '(blank)'} ({row.where}): {row.reason}" for row in rows[:_SHOWN]]
    more = len(rows) - len(shown)
    return [*shown, *([f"  left out: {more} more, see panel_refused.csv"] if more > 0 else [])]


def _show(done: PanelRun) -> None:
    """Print the matrix, the covers, and where the files are."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from dockkit.core.units import thermal_energy

    panel = done.panel
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 30 + 13 * len(panel.inhibitors))
    caption = "expected effective ΔΔG in kcal/mol ± standard deviation, mutant minus wild type"
    table = Table(caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(escape(panel.study.kinase.gene), no_wrap=True)
    if panel.counted:
        table.add_column("cases", justify="right")
    for name in panel.inhibitors:
        table.add_column(escape(name), justify="right")
    limit = thermal_energy(panel.study.temperature_kelvin) * math.log(panel.covered_fold)
    for i in panel.row_order:
        cells = [_cell(float(v), float(e), limit) for v, e in zip(panel.expected[i], panel.error[i], strict=True)]
        table.add_row(escape(panel.mutations[i]), *([f"{panel.cases[i]:g}"] if panel.counted else []), *cells)
    console.print(table)
    for what, group in (("single", panel.singles), ("pair", panel.pairs)):
        for cover in group[:3]:
            share = f"{100 * cover.expected:.0f} % ± {100 * cover.spread:.0f}"
            console.print(escape(f"{what:8} {' + '.join(cover.inhibitors):32} holds {share} of the panel"))
    if done.run.failed:
        console.print(f"{len(done.run.failed)} tasks failed; each cell without a value has its reason")
    for path in done.files[:2]:
        console.print(escape(f"{path.stem:14}{path}"), soft_wrap=True)


def _cell(value: float, error: float, limit: float) -> str:
    if not math.isfinite(value):
        return "[magenta]failed[/magenta]"
    colour = "red" if value > limit else "yellow" if value > limit / 2 else "green"
    return f"[{colour}]{value:+.1f} ± {error:.1f}[/{colour}]"
