"""Replace the residues around a ligand, and rank the substitutions by how likely they are met as resistance."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from dockkit.commands.running import add_running, workers

if TYPE_CHECKING:
    from dockkit.api.panels import ScanRun

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``dockkit scan``."""
    parser.add_argument(
        "--ligand", required=True, metavar="LIGAND",
        help="SDF or MOL2 file (a pose in the structure's frame is used as it is), SMILES, or library name",
    )  # fmt: skip
    parser.add_argument(
        "--structure", default="", metavar="FILE",
        help="PDB or mmCIF file, PDB id or library structure (default: the library's choice for --kinase)",
    )  # fmt: skip
    parser.add_argument("--chain", default="", help="chain of the structure (default: the first protein chain)")
    parser.add_argument("--kinase", default="", help="gene or UniProt accession (default: read from the structure)")
    parser.add_argument(
        "--numbering", choices=("uniprot", "author"), default="uniprot", help="how residues are counted"
    )
    parser.add_argument(
        "--within", type=float, metavar="ANGSTROM", help="residues with a heavy atom this close to the ligand's (5)"
    )
    parser.add_argument("--residues", metavar="LIST", help="these residues instead, such as 315,317,380-383")
    parser.add_argument(
        "--single-nucleotide", action="store_true", help="only substitutions that one changed nucleotide makes"
    )
    parser.add_argument(
        "--cds", metavar="FASTA", help="coding sequence of the kinase (default: all codons of a residue alike)"
    )
    parser.add_argument(
        "--transition-rate", type=float, metavar="X", help="rate of a transition, a transversion being 1 (default 4)"
    )
    parser.add_argument("--resistant-fold", type=float, metavar="FOLD", help="a change resists above this (default 10)")
    parser.add_argument("--no-atp", action="store_true", help="leave the ATP half out")
    parser.add_argument("--seed", type=int, help="seed of everything random")
    parser.add_argument("--cache", metavar="DIR", help="folder for downloads")
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./scan-<kinase>)")
    add_running(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(arguments: argparse.Namespace) -> int:
    """Compute the scan, print the first substitutions, and return the exit code."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit import api, console
    from dockkit.api.panels import make_scan, preview_scan, run_scan

    where = workers(arguments)
    rules = {
        "within_angstrom": arguments.within,
        "single_nucleotide": arguments.single_nucleotide or None,
        "transition_rate": arguments.transition_rate,
        "resistant_fold": arguments.resistant_fold,
    }
    given = {
        "kinase": arguments.kinase, "chain": arguments.chain, "numbering": arguments.numbering,
        "residues": parse_residues(arguments.residues or ""), "coding_sequence": arguments.cds,
        "atp": not arguments.no_atp, "out": arguments.out, "cache": arguments.cache,
        "scan_settings": {name: value for name, value in rules.items() if value is not None},
        **({} if arguments.seed is None else {"seed": arguments.seed}),
    }  # fmt: skip
    if arguments.dry_run:
        foreseen = preview_scan(arguments.ligand, arguments.structure, **given)
        lines = console.plan_lines(foreseen.plan, foreseen.stored, foreseen.out, where.count)
        print("\n".join([*lines, *(f"  note: {note}" for note in foreseen.notes), api.job_script(where)]))
        return 0
    print(f"finding the pose of {arguments.ligand} ...", flush=True)
    made = make_scan(arguments.ligand, arguments.structure, run={"jobs": where, "fresh": arguments.fresh}, **given)
    print(f"{len(made.scan.sites)} residues: {', '.join(site.label for site in made.scan.sites)}")
    with console.Progress() as progress:
        done = run_scan(
            made, jobs=where, on_plan=progress.show_plan, on_event=progress.show_event, on_note=progress.show_note
        )
    _show(done)
    return 1 if done.run.failed else 0


def parse_residues(text: str) -> tuple[int, ...]:
    """Read ``315,317,380-383``.

    Raises
    ------
    SettingsError
        Something else stands there.
    """
    from dockkit.core.errors import SettingsError

    numbers: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.replace(" ", ",").split(","))):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise SettingsError(f"--residues: '{part}' is no residue number; write for example 315,317,380-383")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(numbers))


def _show(done: ScanRun) -> None:
    """Print the first substitutions, and where the files are."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 110)
    caption = "score = reachable x resists: a random single-nucleotide change of the codon makes it, and it resists"
    table = Table(caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    energies = ("ΔΔG\ninhibitor", "ΔΔG\nATP", "ΔΔG\neffective", "ΔΔG\nexpected")
    for name in ("rank", "mutation", "where", *energies, "resists", "reachable", "score"):
        table.add_column(name, justify="left" if name in ("mutation", "where") else "right", no_wrap=True)
    roles = {residue.place: residue.role for residue in done.scan.residues}
    for row in [row for row in done.scan.rows if row.rank][:_SHOWN]:
        values = row.detail.row
        table.add_row(
            str(row.rank), escape(values.mutation), roles[row.place],
            _number(values.ddg_inhibitor_kcal_mol, values.ddg_inhibitor_sem),
            _number(values.ddg_atp_kcal_mol, values.ddg_atp_sem),
            _number(values.ddg_effective_kcal_mol, values.ddg_effective_sem),
            _number(values.ddg_expected_kcal_mol, values.ddg_expected_error),
            f"{100 * row.resists:.0f} %", f"{100 * row.reachable:.0f} %", f"{100 * row.score:.1f} %",
        )  # fmt: skip
    console.print(table)
    if done.run.failed:
        console.print(f"{len(done.run.failed)} tasks failed; each substitution without a value has its reason")
    for path in done.files:
        console.print(escape(f"{path.stem:14}{path}"), soft_wrap=True)


def _number(value: Any, error: Any) -> str:
    import math

    if not math.isfinite(value):
        return "-"
    return f"{value:+.1f} ± {error:.1f}" if math.isfinite(error) else f"{value:+.1f}"
