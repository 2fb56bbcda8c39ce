"""pK_a of side chains in a structure, by PROPKA 3 (Olsson et al., J. Chem. Theory Comput. 2011, 7, 525)."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from propka.input import read_parameter_file, read_pdb
from propka.lib import loadOptions
from propka.molecular_container import MolecularContainer
from propka.parameters import Parameters

from dockkit.core.model import FloatArray, HetGroup
from dockkit.core.residues import CAPS, templates
from dockkit.structure.hetero import CATIONS, Perceived
from dockkit.structure.repair import WorkResidue

TITRATED: Final = ("ASP", "GLU", "HIS", "CYS", "TYR", "LYS", "ARG")

BUFFER_SIZE: Final = 7
"""A group with fewer heavy atoms, other than a metal ion, is taken for buffer and left out of the pK_a."""

PHOSPHO: Final = {"SEP": ("SER", ("OG",)), "TPO": ("THR", ("OG1",)), "PTR": ("TYR", ("OH",))}
"""Phosphorylated residues: parent and the oxygen that belongs to the phosphate."""

SAID: Final = 0.3
"""A contribution to a pK_a shift is named where it is as large, pK units."""


@dataclass(frozen=True, slots=True)
class Pka:
    """A computed pK_a.

    Parameters
    ----------
    value, model : float
        In the structure, and of the free side chain in water.
    buried : float
        0 at the surface, 1 inside.
    reasons : str
        The largest contributions to the shift.
    """

    value: float
    model: float
    buried: float
    reasons: str


@dataclass(frozen=True, slots=True)
class _Line:
    hetero: bool
    atom: str
    residue: str
    number: int
    xyz: FloatArray

    def text(self, serial: int) -> str:
        record = "HETATM" if self.hetero else "ATOM  "
        x, y, z = self.xyz
        head = f"{record}{serial % 100000:5d} {self.atom:<4} {self.residue:>3} A{self.number:4d}    "
        return f"{head}{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00\n"


def _padded(name: str) -> str:
    """Return a one-letter element's atom name in its PDB columns."""
    return name if len(name) == 4 else f" {name:<3}"


def _residue_lines(residue: WorkResidue, number: int) -> list[_Line]:
    heavy = {name: xyz for name, xyz in residue.xyz.items() if not name.startswith("H")}
    if residue.name in templates() or residue.name in CAPS:
        return [_Line(False, _padded(name), residue.name, number, xyz) for name, xyz in heavy.items()]
    if residue.name in PHOSPHO:
        parent, esters = PHOSPHO[residue.name]
        phosphate = {name for name in heavy if name in esters or name == "P" or name.endswith("P")}
        return [
            _Line(name in phosphate, _padded(name), "PO3" if name in phosphate else parent, number, xyz)
            for name, xyz in heavy.items()
        ]
    if len(heavy) == 1:
        return _ion_lines(next(iter(heavy)), number, next(iter(heavy.values())))
    return []


def _ion_lines(name: str, number: int, xyz: FloatArray) -> list[_Line]:
    element = name.upper().strip("+-0123456789")
    known = {"LI": "NA", "CS": "K", "BA": "CA"}.get(element, element)
    return [_Line(True, f"{known:>2}  ", known, number, xyz)] if element in CATIONS else []


def _group_lines(group: HetGroup, number: int) -> tuple[list[_Line], list[str]]:
    """Return a group's lines, and for each the SYBYL type that PROPKA would get wrong, or ''."""
    if len(group.elements) == 1:
        lines = _ion_lines(str(group.elements[0]), number, group.coordinates[0])
        return lines, [""] * len(lines)
    if len(group.elements) < BUFFER_SIZE:
        return [], []
    found = Perceived(group)
    types = found.nitrogen_types() | found.phosphine_oxides()
    counts: dict[str, int] = {}
    lines = []
    for element, xyz in zip(group.elements, group.coordinates, strict=True):
        symbol = str(element).upper()
        counts[symbol] = counts.get(symbol, 0) + 1
        lines.append(_Line(True, f"{symbol:>2}{counts[symbol]:<2d}"[:4], "LIG", number, xyz))
    return lines, [types.get(i, "") for i in range(len(lines))]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("propka")
    before = logger.disabled, logger.level, logger.propagate
    children = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("propka.")]
    states = [child.disabled for child in children]
    try:
        for child in (logger, *children):
            child.disabled = True
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.disabled, logger.level, logger.propagate = before
        for child, state in zip(children, states, strict=True):
            child.disabled = state


def _run(lines: Sequence[_Line], types: Sequence[str]) -> Any:
    """Run PROPKA on atoms; return its container."""
    text = "".join(line.text(serial) for serial, line in enumerate(lines, start=1))
    with _quiet():
        options = loadOptions(["input.pdb"])
        parameters = read_parameter_file(options.parameters, Parameters())
        molecule = MolecularContainer(parameters, options)
        molecule.name = "input"
        conformations, names = read_pdb(io.StringIO(text), parameters, molecule)
        molecule.conformations, molecule.conformation_names = conformations, names
        for atom, known in zip(conformations[names[0]].atoms, types, strict=True):
            if known:
                atom.sybyl_type, atom.sybyl_assigned = known, True
        prepare: Any = molecule.version
        prepare.setup_bonding_and_protonation(molecule)
        molecule.extract_groups()
        for name in names:
            conformations[name].sort_atoms()
        molecule.find_covalently_coupled_groups()
        molecule.calculate_pka()
    return molecule.conformations["AVR"]


def _reasons(group: Any, names: dict[int, str]) -> str:
    parts: list[tuple[float, str]] = [(float(group.energy_volume) + float(group.energy_local), "burial")]
    kinds = {"backbone": "hydrogen bond to main chain of", "sidechain": "hydrogen bond to", "coulomb": "charge of"}
    for kind, what in kinds.items():
        sums: dict[str, float] = {}
        for term in group.determinants[kind]:
            label = names.get(int(term.group.atom.res_num), "another group")
            sums[label] = sums.get(label, 0.0) + float(term.value)
        parts += [(value, f"{what} {label}") for label, value in sums.items()]
    parts = sorted((p for p in parts if abs(p[0]) >= SAID), key=lambda p: (-round(abs(p[0]), 2), p[1]))
    return ", ".join(f"{what} {value:+.1f}" for value, what in parts[:4])


def side_chain_pkas(residues: Sequence[WorkResidue], groups: Sequence[HetGroup] = ()) -> dict[int, Pka]:
    """Return the pK_a of every titratable side chain.

    Parameters
    ----------
    residues : sequence of WorkResidue
        All heavy atoms; residues that PROPKA does not know count as nothing, save phosphorylated ones and metal ions.
    groups : sequence of HetGroup
        Bound ligands and metals that count. PROPKA types ligand atoms from distances and takes many anilines and
        sulfonamides for amines; those are set right here. Buffer molecules are left out.

    Returns
    -------
    dict of int to Pka
        By residue index; cysteines in disulfides are absent.

    Raises
    ------
    ValueError, KeyError, ...
        Whatever PROPKA meets in a structure that it cannot read; the caller falls back to model values.
    """
    lines: list[_Line] = []
    types: list[str] = []
    names: dict[int, str] = {}
    for index, residue in enumerate(residues):
        own = _residue_lines(residue, index + 1)
        lines += own
        types += [""] * len(own)
        names[index + 1] = residue.label
    for offset, group in enumerate(groups, start=len(residues) + 1):
        own, known = _group_lines(group, offset)
        lines += own
        types += known
        names[offset] = f"{group.name} {group.number}{group.insertion_code}"
    if len(names) > 9999:
        raise ValueError(f"{len(names)} residues; PROPKA's input format holds 9999")
    if not lines:
        return {}
    centre = np.mean([line.xyz for line in lines], axis=0)
    average = _run([_Line(n.hetero, n.atom, n.residue, n.number, n.xyz - centre) for n in lines], types)
    return {
        int(group.atom.res_num) - 1: Pka(
            round(float(group.pka_value), 2), float(group.model_pka), float(group.buried), _reasons(group, names)
        )
        for group in average.groups
        if group.residue_type in TITRATED and group.atom.type == "atom" and group.pka_value < 90.0
    }
