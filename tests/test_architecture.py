"""The house rules: imports go one way, stages know nothing of each other, the command line starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dockkit

PACKAGE = Path(dockkit.__file__).parent
STAGES = {
    "kinase", "structure", "mutation", "ligand", "forcefield", "docking", "sampling", "energy", "analysis",
    "resistance", "report", "calibration",
}  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    **{stage: {"core"} for stage in STAGES},
    "store": {"core"},
    "execution": {"core", "store"},
    "pipeline": {"core", "store", *STAGES},
    "api": {"core", "store", "execution", "pipeline"},
    "console": {"core", "store", "execution", "pipeline"},
    "commands": {"core", "api", "console", "execution"},
    "cli": {"core", "api", "console", "commands"},
    "__main__": {"cli"},
}
LATE_IMPORTS = {"cli.py", "commands", "execution/worker.py", "execution/executors.py"}
"""What imports dockkit inside functions: the command line, its commands, the worker and optional Parsl."""
LONG: set[str] = set()
"""Files that may exceed 500 lines: the records are read in one place, and most of their lines are docstrings."""

FILES = sorted(path for path in PACKAGE.rglob("*.py") if "library" not in path.relative_to(PACKAGE).parts[:1])


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_layers(tree: ast.AST) -> set[str]:
    """Layers of dockkit that a module imports, wherever the import stands."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            names = [f"dockkit.{alias.name}" for alias in node.names] if module == "dockkit" else [module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("dockkit.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path):
    layer = layer_of(path)
    if layer == "__init__":
        assert imported_layers(ast.parse(path.read_text(encoding="utf-8"))) == set()
        return
    assert layer in ALLOWED, f"{layer} has no place in the house; see DESIGN"
    wrong = imported_layers(ast.parse(path.read_text(encoding="utf-8"))) - ALLOWED[layer] - {layer}
    assert wrong == set(), f"{layer} may not import {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_import_of_ours_hides_in_a_function_and_no_file_is_long(path):
    text = path.read_text(encoding="utf-8")
    assert path.name not in ("utils.py", "helpers.py", "misc.py")
    assert text.count("\n") <= 500 or path.relative_to(PACKAGE).as_posix() in LONG, "above 500 lines: make it a folder"
    if {path.relative_to(PACKAGE).as_posix(), layer_of(path)} & LATE_IMPORTS:
        return
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = imported_layers(function)
            assert not hidden, f"{function.name} imports {', '.join(sorted(hidden))} inside"


def test_the_rule_itself_sees_every_form_of_import():
    source = "import dockkit.energy\nfrom dockkit import docking\nfrom dockkit.core.model import Pose\nimport numpy\n"
    assert imported_layers(ast.parse(source)) == {"energy", "docking", "core"}
    assert imported_layers(ast.parse("def f():\n    from dockkit.report import page\n")) == {"report"}


def test_command_line_and_package_start_light():
    code = "import sys, dockkit, dockkit.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"numpy", "openmm", "rdkit", "mdtraj", "scipy", "pandas", "gemmi", "pydantic", "rich", "matplotlib", "vina"}
    assert heavy.isdisjoint(loaded)


def test_every_stage_of_the_design_is_there():
    present = {layer_of(path) for path in FILES}
    assert present >= STAGES
