"""The PDB's chemical component dictionary: what a het code means.

biotite ships the whole dictionary as one BinaryCIF file. Its own reader decodes every column of it (3 s, 1.3 GB); here
only the rows of the codes asked for are taken, straight from the packed columns (0.3 s, 0.2 GB, given back at once).
The format: Sehnal et al., PLoS Comput. Biol. 2020, 16, e1008247.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]
import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray, IntArray, StrArray
from dockkit.core.molecule import forget_exchanging_centres

ORDERS: Final = {
    "SING": Chem.BondType.SINGLE,
    "DOUB": Chem.BondType.DOUBLE,
    "TRIP": Chem.BondType.TRIPLE,
    "QUAD": Chem.BondType.QUADRUPLE,
}

_TYPES: Final = {1: "i1", 2: "<i2", 3: "<i4", 4: "u1", 5: "<u2", 6: "<u4", 32: "<f4", 33: "<f8"}
_SYMBOLS: Final = {Chem.GetPeriodicTable().GetElementSymbol(number) for number in range(1, 119)} | {"D"}
_CARTESIAN: Final = ("pdbx_model_Cartn_{}_ideal", "model_Cartn_{}")


@dataclass(frozen=True, slots=True)
class Component:
    """One entry of the dictionary.

    Parameters
    ----------
    code, name : str
        Het code and chemical name.
    kind : str
        The dictionary's type, such as ``non-polymer`` or ``d-saccharide, beta linking``; lower case.
    atom_names, old_names : (n,) str
        Names now and before the remediation of 2007.
    elements : (n,) str
    charges : (n,) int
        Formal charges, e.
    bonds : (m, 2) int
        Atom indices.
    orders : (m,) str
        ``SING``, ``DOUB``, ``TRIP`` ... Kekule form.
    coordinates : (n, 3) float
        Angstrom: ideal, else those of an entry; NaN where there are none.
    """

    code: str
    name: str
    kind: str
    atom_names: StrArray
    old_names: StrArray
    elements: StrArray
    charges: IntArray
    bonds: IntArray
    orders: StrArray
    coordinates: FloatArray

    @property
    def n_heavy(self) -> int:
        """Number of atoms other than hydrogen."""
        return int((self.elements != "H").sum())


_known: dict[str, Component | None] = {}


def components(codes: Iterable[str]) -> dict[str, Component | None]:
    """Return the entries of several codes, None for a code that the dictionary lacks.

    Parameters
    ----------
    codes : iterable of str
        Het codes; case does not matter.

    Returns
    -------
    dict
        By code in upper case. Entries read once are remembered.

    Raises
    ------
    LigandError
        The dictionary of the biotite package is missing or unreadable.
    """
    wanted = {code.strip().upper() for code in codes}
    missing = sorted(wanted - set(_known))
    if missing:
        _known.update(_read(missing))
    return {code: _known[code] for code in sorted(wanted)}


def component(code: str) -> Component | None:
    """Return one entry, or None; see ``components``."""
    return components([code])[code.strip().upper()]


def component_molecule(entry: Component) -> Chem.Mol | None:
    """Return an entry as a molecule without hydrogens, stereo from its coordinates, or None if RDKit rejects it.

    Parameters
    ----------
    entry : Component

    Returns
    -------
    Chem.Mol or None
        Atoms have the properties ``name`` and ``old_name``; no conformer.
    """
    if not set(entry.elements.tolist()) <= _SYMBOLS:
        return None
    molecule = Chem.RWMol()
    for name, old, element, charge in zip(
        entry.atom_names, entry.old_names, entry.elements, entry.charges, strict=True
    ):
        atom = Chem.Atom("H" if element == "D" else str(element))
        atom.SetFormalCharge(int(charge))
        atom.SetNoImplicit(True)
        atom.SetProp("name", str(name))
        atom.SetProp("old_name", str(old))
        molecule.AddAtom(atom)
    for (a, b), order in zip(entry.bonds.tolist(), entry.orders, strict=True):
        molecule.AddBond(a, b, ORDERS.get(str(order), Chem.BondType.SINGLE))
    with BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
            if np.isfinite(entry.coordinates).all():
                conformer = Chem.Conformer(len(entry.elements))
                conformer.SetPositions(np.ascontiguousarray(entry.coordinates))
                molecule.AddConformer(conformer)
                Chem.AssignStereochemistryFrom3D(molecule)
            for atom in molecule.GetAtoms():
                atom.SetNoImplicit(False)
            heavy = Chem.RemoveHs(molecule)
        except (Chem.MolSanitizeException, RuntimeError):
            return None
    heavy.RemoveAllConformers()
    forget_exchanging_centres(heavy)
    return heavy


# --------------------------------------------------------------------------- the packed file


@functools.cache
def _path() -> Path:
    spec = importlib.util.find_spec("biotite")
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / "structure" / "info" / "components.bcif" if folders else Path("components.bcif")
    if not path.is_file():
        raise LigandError(
            "the chemical component dictionary of the biotite package is missing; install biotite, or give the SMILES "
            "of the bound ligand"
        )
    return path


class _Column:
    """A packed column; what is unpacked once serves all codes of one reading."""

    def __init__(self, column: dict[str, Any]) -> None:
        data = column["data"]
        first = data["encoding"][0]
        self.is_text = first["kind"] == "StringArray"
        self.mask = _Column({"data": column["mask"], "mask": None}) if column["mask"] is not None else None
        self._data, self._steps = data["data"], first["dataEncoding"] if self.is_text else data["encoding"]
        self._text = first["stringData"] if self.is_text else ""
        self._offsets = (first["offsets"], first["offsetEncoding"]) if self.is_text else (b"", [])

    @functools.cached_property
    def offsets(self) -> Any:
        """Start of each string of the table, and the end of the last."""
        return _decode(*self._offsets)

    @functools.cached_property
    def _values(self) -> Any:
        """Return all values (indices for text), or only the raw integers where rows can be unpacked on their own."""
        return _decode(self._data, self._steps[-1:] if self._by_rows else self._steps)

    @functools.cached_property
    def _by_rows(self) -> bool:
        kinds = [step["kind"] for step in self._steps]
        return kinds[-2:] == ["IntegerPacking", "ByteArray"] and "RunLength" not in kinds

    @functools.cached_property
    def _ends(self) -> Any:
        packing = self._steps[-2]
        return _ends(self._values, int(packing["byteCount"]), bool(packing["isUnsigned"]))

    def rows(self, window: Window) -> Any:
        """Return the numbers of some rows; packed integers before them are only summed, for the running total."""
        if not self._by_rows:
            return self._values[window[0] : window[1]]
        first = int(self._ends[window[0] - 1]) + 1 if window[0] else 0
        last = int(self._ends[window[1] - 1]) + 1 if window[1] else 0
        part = _add_up(self._values[first:last], self._ends[window[0] : window[1]] - first)
        steps = self._steps[:-2]
        if any(step["kind"] == "Delta" for step in steps):
            before = int(self._values[:first].sum(dtype=np.int64))
            steps = [{**step, "origin": int(step.get("origin", 0)) + before} for step in steps]
        return _decode(part, steps)

    def texts(self, window: Window) -> StrArray:
        """Return the strings of some rows."""
        at = self.offsets
        return np.array([self._text[at[i] : at[i + 1]] if i >= 0 else "" for i in self.rows(window)], dtype=str)

    def numbers(self, window: Window) -> FloatArray:
        """Return the values of some rows, NaN where the file has none."""
        values: FloatArray = np.array(self.rows(window), dtype=np.float64)
        if self.mask is not None:
            values[self.mask.rows(window) != 0] = np.nan
        return values

    def windows(self, codes: list[str]) -> dict[str, Window]:
        """Return the rows that hold each code; they are contiguous."""
        indices = self.rows((0, len(self._ends))) if self._by_rows else self._values
        found = {}
        for code in codes:
            place = self._place(code)
            rows = np.flatnonzero(indices == place)
            if place >= 0 and len(rows):
                found[code] = int(rows[0]), int(rows[-1]) + 1
        return found

    def _place(self, code: str) -> int:
        """Return the index of a string in the table of strings, or -1."""
        start = self._text.find(code)
        while start >= 0:
            k = int(np.searchsorted(self.offsets, start))
            if k + 1 < len(self.offsets) and self.offsets[k] == start and self.offsets[k + 1] == start + len(code):
                return k
            start = self._text.find(code, start + 1)
        return -1


Window = tuple[int, int]
"""First row and the one behind the last."""

Table = dict[str, _Column]


def _read(codes: list[str]) -> dict[str, Component | None]:
    try:
        block = msgpack.unpackb(_path().read_bytes())["dataBlocks"][0]
        tables = {
            category["name"].lstrip("_"): {column["name"]: _Column(column) for column in category["columns"]}
            for category in block["categories"]
        }
        return _entries(tables, codes)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise LigandError(f"{_path()}: not a readable component dictionary ({error}); install biotite anew") from error


def _entries(tables: dict[str, Table], codes: list[str]) -> dict[str, Component | None]:
    summary, atoms, bonds = tables["chem_comp"], tables["chem_comp_atom"], tables["chem_comp_bond"]
    heads, rows = summary["id"].windows(codes), atoms["comp_id"].windows(codes)
    links = bonds["comp_id"].windows(codes)
    return {
        code: _entry(code, (summary, heads[code]), (atoms, rows[code]), (bonds, links.get(code, (0, 0))))
        if code in heads and code in rows
        else None
        for code in codes
    }


def _entry(code: str, head: tuple[Table, Window], atom: tuple[Table, Window], bond: tuple[Table, Window]) -> Component:
    summary, atoms, bonds = head[0], atom[0], bond[0]
    names = atoms["atom_id"].texts(atom[1])
    index = {str(name): k for k, name in enumerate(names)}
    ends = zip(bonds["atom_id_1"].texts(bond[1]), bonds["atom_id_2"].texts(bond[1]), strict=True)
    xyz = np.zeros((0, 3))
    for pattern in _CARTESIAN:
        xyz = np.column_stack([atoms[pattern.format(axis)].numbers(atom[1]) for axis in "xyz"])
        if np.isfinite(xyz).all():
            break
    return Component(
        code=code, name=str(summary["name"].texts(head[1])[0]), kind=str(summary["type"].texts(head[1])[0]).lower(),
        atom_names=names, old_names=atoms["alt_atom_id"].texts(atom[1]),
        elements=np.array([str(element).capitalize() for element in atoms["type_symbol"].texts(atom[1])]),
        charges=np.nan_to_num(atoms["charge"].numbers(atom[1])).astype(np.int64),
        bonds=np.array([(index[str(a)], index[str(b)]) for a, b in ends], dtype=np.int64).reshape(-1, 2),
        orders=bonds["value_order"].texts(bond[1]), coordinates=xyz,
    )  # fmt: skip


def _decode(data: Any, encodings: list[dict[str, Any]]) -> Any:
    """Undo the steps of a BinaryCIF column, last one first."""
    values: Any = data
    for step in reversed(encodings):
        kind = step["kind"]
        if kind == "ByteArray":
            values = np.frombuffer(values, dtype=_TYPES[step["type"]])
        elif kind == "IntegerPacking":
            values = _add_up(values, _ends(values, int(step["byteCount"]), bool(step["isUnsigned"])))
        elif kind == "RunLength":
            values = np.repeat(values[::2], values[1::2])
        elif kind == "Delta":
            values = np.cumsum(values, dtype=np.int64) + int(step["origin"])
        elif kind == "FixedPoint":
            values = values / float(step["factor"])
        else:
            raise ValueError(f"encoding {kind} is not known")
    return values


def _ends(values: Any, width: int, unsigned: bool) -> Any:
    """Return where each packed integer ends: extreme values run on into the next one."""
    high = 2 ** (8 * width - (not unsigned)) - 1
    extreme = values == high
    if not unsigned:
        extreme |= values == -(high + 1)
    return np.flatnonzero(~extreme)


def _add_up(values: Any, ends: Any) -> Any:
    if len(ends) == len(values):
        return values.astype(np.int32)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(values.astype(np.int64), starts)
