"""Is a pose chemically and physically plausible: the checks of PoseBusters.

Chemistry, bond lengths and angles, flat rings and double bonds, internal clashes and strain, and the distances and
overlaps of the ligand with protein, cofactors, ions and water. Thresholds are PoseBusters' own for docked poses [1]_.

References
----------
.. [1] Buttenschoen, Morris, Deane, Chem. Sci. 2024, 15, 3130.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import DockingError
from dockkit.core.formats import complex_pdb
from dockkit.core.model import FloatArray, Ligand, Receptor
from dockkit.core.molecule import to_rdkit


@dataclass(frozen=True, slots=True)
class Validity:
    """What the checks found of one pose.

    Parameters
    ----------
    passed, failed : tuple of str
        Names of the checks, as PoseBusters writes them in its long form.
    """

    passed: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def sentence(self) -> str:
        """For tables: ``passes all 22 checks`` or which fail."""
        n = len(self.passed) + len(self.failed)
        return f"fails {', '.join(self.failed)}" if self.failed else f"passes all {n} checks"


def check_poses(
    receptor: Receptor,
    ligand: Ligand,
    poses: Sequence[FloatArray],
    receptor_coordinates: Sequence[FloatArray] | None = None,
) -> tuple[Validity, ...]:
    """Run PoseBusters on poses of one ligand.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present; waters and ions that it holds count as such.
    ligand : Ligand
    poses : sequence of (n_atoms, 3) float
        Angstrom.
    receptor_coordinates : sequence of (n_receptor_atoms, 3) float, optional
        One for each pose where side chains moved.

    Returns
    -------
    tuple of Validity
        One for each pose.

    Raises
    ------
    DockingError
        The checks cannot be run.
    """
    if not poses:
        return ()
    from posebusters import PoseBusters  # slow to import, and only docking needs it

    molecules = [to_rdkit(ligand, xyz) for xyz in poses]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), BlockLogs():
        warnings.simplefilter("ignore")
        path = Path(folder) / "receptor.pdb"
        found: list[Validity] = []
        groups: list[tuple[list[Chem.Mol], FloatArray | None]] = [(molecules, None)]
        if receptor_coordinates is not None:
            groups = [([m], moved) for m, moved in zip(molecules, receptor_coordinates, strict=True)]
        for members, moved in groups:
            path.write_text(complex_pdb(_at(receptor, moved), (), "author"), encoding="utf-8")
            try:
                report = PoseBusters(config="dock").bust(members, None, path)
            except (RuntimeError, ValueError, KeyError, TypeError) as error:
                raise DockingError(
                    f"{ligand.name} in {receptor.name}: PoseBusters could not check the poses ({error})"
                ) from error
            found += [_validity(row.to_dict()) for _, row in report.iterrows()]
    return tuple(found)


def _at(receptor: Receptor, coordinates: FloatArray | None) -> Receptor:
    return receptor if coordinates is None else replace(receptor, coordinates=coordinates)


def _validity(row: Mapping[Any, Any]) -> Validity:
    passed: list[str] = []
    failed: list[str] = []
    for name, value in row.items():
        good = isinstance(value, bool | np.bool_) and bool(value)
        (passed if good else failed).append(str(name).replace("_", " "))
    return Validity(tuple(passed), tuple(failed))
