"""Which program searches and scores: a table of engines, and how another one comes in as one file.

An engine is two functions, and a third where it can move side chains. It comes from one of three places:

* the table here (``vina``);
* a Python file, named by its path (``--engine my_engine.py``) that has ``ENGINE = Engine(...)``;
* an installed package with an entry point in the group ``dockkit.engines`` that gives an :class:`Engine`.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final, Protocol

from dockkit.core.errors import SettingsError, nearest
from dockkit.core.model import FloatArray, Ligand, Pose, Receptor
from dockkit.core.settings import DockingSettings
from dockkit.docking import flexible, vina

ENTRY_POINT_GROUP: Final = "dockkit.engines"
"""Entry points of installed packages that are engines."""

ATTRIBUTE: Final = "ENGINE"
"""What an engine's file must define."""


class DockFunction(Protocol):
    """Search a box for poses of a flexible ligand in a rigid receptor."""

    def __call__(
        self,
        receptor: Receptor,
        ligand: Ligand,
        box_center: Sequence[float],
        box_size: Sequence[float],
        settings: DockingSettings,
        seed: int,
        cpu: int,
    ) -> tuple[Pose, ...]:
        """Return at least one pose, best score first, all atoms in the ligand's order; raise DockingError if none.

        ``Pose.score`` is in kcal/mol, lower is better. The same seed gives the same poses whatever ``cpu`` is.
        """


class OptimiseFunction(Protocol):
    """Improve given poses locally and score them."""

    def __call__(
        self, receptor: Receptor, ligand: Ligand, candidates: Sequence[FloatArray], seed: int, cpu: int
    ) -> tuple[Pose, ...]:
        """Return a pose for each candidate, (n_atoms, 3) Angstrom, in their order; hopeless ones are left out."""


class FlexibleFunction(Protocol):
    """Search like :class:`DockFunction`, the side chains of some residues moving too."""

    def __call__(
        self,
        receptor: Receptor,
        ligand: Ligand,
        residues: Sequence[int],
        box_center: Sequence[float],
        box_size: Sequence[float],
        settings: DockingSettings,
        seed: int,
        cpu: int,
    ) -> tuple[tuple[Pose, FloatArray], ...]:
        """Return poses, each with the coordinates of the whole receptor, (n_receptor_atoms, 3) Angstrom."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A docking program.

    Parameters
    ----------
    name : str
        In settings and tables; lower case.
    dock : DockFunction
    optimise : OptimiseFunction or None
        None: poses grown from the hinge are not tried.
    dock_flexible : FlexibleFunction or None
        None: side chains cannot move.
    package : str
        Distribution whose version is part of a result's provenance; empty for none.
    reference : str
        What to cite.
    """

    name: str
    dock: DockFunction
    optimise: OptimiseFunction | None = None
    dock_flexible: FlexibleFunction | None = None
    package: str = ""
    reference: str = ""

    @property
    def version(self) -> str:
        """Version of the program, empty where it is not known."""
        try:
            return version(self.package) if self.package else ""
        except PackageNotFoundError:
            return ""


BUILT_IN: Final[dict[str, Engine]] = {
    "vina": Engine(
        "vina",
        vina.dock,
        vina.optimise,
        flexible.dock_flexible,
        package="vina",
        reference="Eberhardt et al., J. Chem. Inf. Model. 2021, 61, 3891",
    ),
}
"""Engines that come with dockkit."""


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def engine_names() -> tuple[str, ...]:
    """Return the names of the engines that are there: dockkit's own, then those of installed packages."""
    return (*BUILT_IN, *sorted(set(_plug_ins()) - set(BUILT_IN)))


def find_engine(text: str) -> Engine:
    """Return the engine of a name, or the one in a Python file.

    Parameters
    ----------
    text : str
        A name from :func:`engine_names`, or the path of a file that ends in ``.py`` and has ``ENGINE``.

    Returns
    -------
    Engine

    Raises
    ------
    SettingsError
        No such engine, or the file or plug-in cannot be loaded or has no engine.
    """
    if text in BUILT_IN:
        return BUILT_IN[text]
    if text.endswith(".py"):
        return _from_file(Path(text))
    point = _plug_ins().get(text)
    if point is None:
        raise SettingsError(
            f"no docking engine '{text}'; {nearest(text, engine_names())} An engine of your own: the path of a .py file"
        )
    try:
        found = point.load()
    except Exception as error:  # a plug-in is foreign code: whatever it raises is told as its fault
        raise SettingsError(f"docking engine '{text}' ({point.value}) cannot be loaded: {error}") from error
    return _checked(found, f"docking engine '{text}' ({point.value})")


def engine_content(text: str) -> str:
    """Return what an engine's results depend on beside its settings: the sha256 of its file, or its version.

    Raises
    ------
    SettingsError
        As :func:`find_engine`.
    """
    engine = find_engine(text)
    if text.endswith(".py"):
        return hashlib.sha256(Path(text).read_bytes()).hexdigest()
    return f"{engine.name} {engine.version}"


def _from_file(path: Path) -> Engine:
    if not path.is_file():
        raise SettingsError(f"{path}: no such file; an engine of your own is a Python file with {ATTRIBUTE} = Engine()")
    spec = importlib.util.spec_from_file_location(f"dockkit_engine_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SettingsError(f"{path}: cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # foreign code, as above
        raise SettingsError(f"{path}: this docking engine cannot be loaded: {type(error).__name__}: {error}") from error
    return _checked(getattr(module, ATTRIBUTE, None), str(path))


def _checked(found: object, where: str) -> Engine:
    if not isinstance(found, Engine):
        raise SettingsError(
            f"{where}: not a docking engine; it must give {ATTRIBUTE} = dockkit.docking.engines.Engine(name, dock)"
        )
    return found
