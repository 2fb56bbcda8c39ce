"""The command line: parse, call, print, exit code. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from dockkit import __version__
from dockkit.core.errors import DockkitError, InputError, StoreError

GOOD, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """\
examples:
  dockkit run abl1-t315i
  dockkit run my-study.toml --out results --jobs 8
  dockkit compare --structure 1iep.pdb --ligand imatinib --ligand my.sdf --mutation T315I

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
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", help="output folder (default: ./<study name>)")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per usable core)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="use stored results (the default)")
    again.add_argument("--fresh", action="store_true", help="throw stored results away and compute everything")
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
    from dockkit import api, console

    if arguments.command == "run":
        study = api.read_study(arguments.study)
    else:
        extra = {} if arguments.seed is None else {"seed": arguments.seed}
        study = api.compare_study(
            arguments.structure, arguments.ligand, arguments.mutation, kinase=arguments.kinase,
            chain=arguments.chain, numbering=arguments.numbering, **extra,
        )  # fmt: skip
    with console.Progress() as progress:
        run = api.execute(
            study, arguments.out, jobs=arguments.jobs, fresh=arguments.fresh,
            on_plan=progress.show_plan, on_event=progress.show_event,
        )  # fmt: skip
    console.show_result(run.result, run.failed, run.out)
    return SOME_FAILED if run.failed else GOOD


def _stop(number: int, frame: object) -> None:
    """Make a batch system's SIGTERM stop the run as Ctrl-C does."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; default those of the process.

    Returns
    -------
    int
        Exit code: 0 good, 1 some task failed, 2 bad input, 130 stopped.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "run" and not arguments.list and arguments.study is None:
        parser.error("name a study, or see what there is with: dockkit run --list")
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        return _list_studies() if arguments.command == "run" and arguments.list else _run(arguments)
    except KeyboardInterrupt:
        print("\ndockkit: stopped. Finished work is kept; run the same command again to go on.", file=sys.stderr)
        return INTERRUPTED
    except DockkitError as error:
        if arguments.debug:
            raise
        print(f"dockkit: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, (InputError, StoreError)) else SOME_FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return SOME_FAILED
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
