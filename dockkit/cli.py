"""The command line: parse, call, print, exit code. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from dockkit import __version__
from dockkit.commands.running import add_running, workers
from dockkit.core.errors import DockkitError, InputError, StoreError

GOOD, SOME_FAILED, BAD_INPUT, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

COMMANDS: dict[str, str] = {
    "md": "simulate a complex as wild type and mutant",
    "dock": "dock ligands into structures, mutants and conformations",
    "panel": "mutations against inhibitors: matrix, ranking, the best pair",
    "scan": "replace the residues around a ligand",
    "status": "say how far a run is",
    "redock": "dock a structure's own ligand again and compare with the crystal",
}
"""Commands that have a module of their own under dockkit.commands, with what they do.

Such a module has ``add_arguments(parser)`` and ``run(arguments) -> exit code``, and imports nothing heavy at its top.
"""

_EPILOG = """\
examples:
  dockkit run abl1-t315i
  dockkit run my-study.toml --out results --jobs 8
  dockkit compare --structure 1iep.pdb --ligand imatinib --ligand my.sdf --mutation T315I
  dockkit prepare 1iep.pdb --chain A --out prepared
  dockkit annotate 1iep.pdb
  dockkit mutate 1iep.pdb --mutation T315I --mutation E255K/T315I
  dockkit model-state abl1-1iep --state dfg-in

exit code: 0 good, 1 some task failed (the rest is reported), 2 bad input, 130 stopped
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dockkit",
        description="This kinase has mutated: which inhibitors still bind, which are lost, and why?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dockkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run", help="run a study", description="Run a study; a second run goes on from the first."
    )
    run.add_argument("study", nargs="?", metavar="STUDY", help="a TOML file, or the name of a bundled study")
    run.add_argument("--list", action="store_true", help="list the bundled studies")
    _add_common(run)
    compare = commands.add_parser(
        "compare", help="compare wild type and mutant in one structure", description="A study without a study file."
    )
    compare.add_argument("--structure", required=True, metavar="FILE", help="PDB or mmCIF file, or a library structure")
    compare.add_argument(
        "--ligand", required=True, action="append", metavar="LIGAND",
        help="SDF or MOL2 file, SMILES, or library name; may be given again",
    )  # fmt: skip
    compare.add_argument(
        "--mutation", required=True, action="append", metavar="MUTATION", help="such as T315I; may be given again"
    )
    compare.add_argument("--chain", default="", help="chain of the structure (default: the first protein chain)")
    compare.add_argument("--kinase", default="", help="gene or UniProt accession (default: read from the sequence)")
    compare.add_argument(
        "--numbering", choices=("uniprot", "author"), default="uniprot", help="how the mutations count residues"
    )
    compare.add_argument("--seed", type=int, help="seed of everything random")
    _add_common(compare)
    _add_structure_commands(commands)
    for name, summary in COMMANDS.items():
        module = import_module(f"dockkit.commands.{name.replace('-', '_')}")
        module.add_arguments(commands.add_parser(name, help=summary, description=module.__doc__))
    return parser


def _add_structure_commands(commands: Any) -> None:
    """Add the commands about one structure."""
    prepare = commands.add_parser(
        "prepare", help="make a structure ready for modelling",
        description="Choose the chain, repair and protonate it, extract its ligands, and say what was changed.",
    )  # fmt: skip
    _add_input(prepare)
    _add_preparation(prepare)
    annotate = commands.add_parser(
        "annotate", help="say which kinase it is, its landmarks and its conformation",
        description="Of a structure, a FASTA file, a sequence, a gene or a UniProt accession.",
    )  # fmt: skip
    annotate.add_argument("input", metavar="INPUT", help="structure, FASTA file, sequence, gene or UniProt accession")
    annotate.add_argument("--chain", default="", help="chain of a structure (default: every kinase chain)")
    annotate.add_argument("--json", action="store_true", help="print JSON instead of text")
    annotate.add_argument("--cache", metavar="DIR", help="folder for downloads")
    annotate.add_argument("--debug", action="store_true", help="show tracebacks")
    mutate = commands.add_parser(
        "mutate", help="build mutations into a structure",
        description="Prepare a structure, check the mutations against it, and build their side chains.",
    )  # fmt: skip
    _add_input(mutate)
    mutate.add_argument(
        "--mutation", required=True, action="append", metavar="MUTATION",
        help="such as T315I or L858R/T790M; given again, each is built on its own",
    )  # fmt: skip
    mutate.add_argument("--models", type=int, default=3, metavar="N", help="conformers kept of each (default 3)")
    _add_preparation(mutate)
    model = commands.add_parser(
        "model-state", help="model the conformation that is missing",
        description="Graft what differs from a kinase in the wanted state; close, repack and relax it.",
    )  # fmt: skip
    _add_input(model)
    model.add_argument("--state", required=True, choices=("dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"))
    model.add_argument(
        "--template", default="", metavar="INPUT", help="kinase in that state (default: the closest of the library)"
    )
    model.add_argument("--seed", type=int, default=2026, help="seed of everything random")
    _add_preparation(model)


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", metavar="INPUT",
        help="PDB or mmCIF file (plain or gzip), PDB id, UniProt accession (AlphaFold model), or library structure",
    )  # fmt: skip
    parser.add_argument("--chain", default="", help="chain (default: the first kinase chain, with a ligand if one has)")
    parser.add_argument("--ligand-code", default="", metavar="CODE", help="bound ligand, such as STI (default: chosen)")
    parser.add_argument("--ligand-smiles", default="", metavar="SMILES", help="its bond orders, where it has no code")


def _add_preparation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--numbering", choices=("uniprot", "author"), default="uniprot",
        help="how mutations count residues, and the files written",
    )  # fmt: skip
    parser.add_argument("--ph", type=float, default=7.4, help="pH (default 7.4)")
    parser.add_argument(
        "--protonation", choices=("propka", "model"), default="propka", help="pKa from PROPKA, or of free residues"
    )
    parser.add_argument("--no-flips", action="store_true", help="leave Asn, Gln and His as they are deposited")
    parser.add_argument(
        "--waters", choices=("bridging", "none"), default="bridging", help="waters between ligand and protein"
    )
    parser.add_argument("--metals", choices=("keep", "none"), default="keep", help="ions held by the protein")
    parser.add_argument(
        "--phosphorylation", choices=("keep", "revert"), default="keep", help="phosphorylated Ser, Thr and Tyr"
    )
    parser.add_argument(
        "--longest-loop", type=int, metavar="N", help="build missing stretches up to this length; 0 builds none"
    )
    parser.add_argument("--cache", metavar="DIR", help="folder for downloads")
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./<input>-<command>)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./<study name>)")
    add_running(parser)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def _list_studies() -> int:
    from dockkit.core.settings import bundled_studies, load_study

    for name in bundled_studies():
        print(f"{name:20} {load_study(name).title}")
    return GOOD


def _run(arguments: argparse.Namespace) -> int:
    """Run or compare; heavy modules are loaded here."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")  # one process per core, one thread per process
    from dockkit.core.settings import load_study

    if arguments.command == "run":
        load_study(arguments.study)  # a misspelt name is told before anything heavy loads
    where = workers(arguments)
    from dockkit import api, console

    if arguments.command == "run":
        study = api.read_study(arguments.study)
    else:
        extra = {} if arguments.seed is None else {"seed": arguments.seed}
        study = api.compare_study(
            arguments.structure, arguments.ligand, arguments.mutation, kinase=arguments.kinase,
            chain=arguments.chain, numbering=arguments.numbering, **extra,
        )  # fmt: skip
    if arguments.dry_run:
        out = Path(arguments.out or study.name)
        print("\n".join([*console.plan_lines(api.plan_study(study), {}, out, where.count), api.job_script(where)]))
        return GOOD
    with console.Progress() as progress:
        run = api.execute(
            study, arguments.out, jobs=where, fresh=arguments.fresh,
            on_plan=progress.show_plan, on_event=progress.show_event, on_note=progress.show_note,
        )  # fmt: skip
    console.show_result(run.result, run.failed, run.out)
    return SOME_FAILED if run.failed else GOOD


def _preparation(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of a preparation that were given."""
    names = ("ph", "protonation", "waters", "metals", "phosphorylation")
    given = {name: getattr(arguments, name) for name in names}
    given["flips"] = not arguments.no_flips
    if arguments.longest_loop is not None:
        given["longest_loop"] = arguments.longest_loop
    return given


def _structure_command(arguments: argparse.Namespace) -> int:
    """Prepare, annotate, mutate or model a state; heavy modules are loaded here."""
    os.environ.setdefault("OPENMM_CPU_THREADS", "1")
    from dockkit import api

    where: dict[str, Any] = {"chain": arguments.chain, "cache": arguments.cache}
    if arguments.command == "annotate":
        text, record = api.annotate(arguments.input, **where)
        print(json.dumps(record, indent=2) if arguments.json else text, end="\n" if arguments.json else "")
        return GOOD
    common = {
        **where,
        "ligand_code": arguments.ligand_code,
        "ligand_smiles": arguments.ligand_smiles,
        "out": arguments.out,
        "numbering": arguments.numbering,
        "settings": _preparation(arguments),
    }
    if arguments.command == "prepare":
        done = api.prepare(arguments.input, **common)
    elif arguments.command == "mutate":
        done = api.mutate(arguments.input, arguments.mutation, models=arguments.models, **common)
    else:
        done = api.model_state(
            arguments.input, arguments.state, template=arguments.template, seed=arguments.seed, **common
        )
    print(done.text, end="")
    print("".join(f"{what:10}{path}\n" for what, path in done.files), end="")
    return GOOD


def _stop(number: int, frame: object) -> None:
    """Make a batch system's SIGTERM stop the run as Ctrl-C does."""
    raise KeyboardInterrupt


def _dispatch(arguments: argparse.Namespace) -> int:
    """Call what the arguments ask for."""
    if arguments.command in COMMANDS:
        module = import_module(f"dockkit.commands.{arguments.command.replace('-', '_')}")
        return int(module.run(arguments))
    if arguments.command not in ("run", "compare"):
        return _structure_command(arguments)
    return _list_studies() if arguments.command == "run" and arguments.list else _run(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default those of the process.

    Returns
    -------
    int
        Exit code: 0 good, 1 some task failed, 2 bad input, 130 stopped, 141 the reader of a pipe has closed it.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "run" and not arguments.list and arguments.study is None:
        parser.error("name a study, or see what there is with: dockkit run --list")
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ndockkit: stopped. Finished work is kept; run the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    except DockkitError as error:
        if arguments.debug:
            raise
        print(f"dockkit: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, (InputError, StoreError)) else SOME_FAILED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. What is left in the buffer must go somewhere when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        if arguments.debug:
            raise
        print(
            f"dockkit: unexpected {type(error).__name__}: {error}\n"
            "This is a fault in dockkit. Run again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return SOME_FAILED
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
