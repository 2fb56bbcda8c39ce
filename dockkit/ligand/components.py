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


Window = tuple[int, int]
"""First row and the one behind the last."""


class _Column:
    """A packed column, of which some rows are taken at a time."""

    def __init__(self, column: dict[str, Any]) -> None:
        data = column["data"]
        first = data["encoding"][0]
        is_text = first["kind"] == "StringArray"
        self._mask = _Column({"data": column["mask"], "mask": None}) if column["mask"] is not None else None
        self._data, self._steps = data["data"], first["dataEncoding"] if is_text else data["encoding"]
        self._text = first["stringData"] if is_text else ""
        self._offsets = (first["offsets"], first["offsetEncoding"]) if is_text else (b"", [])

    def rows(self, windows: list[Window]) -> list[Any]:
        """Return the numbers of some rows; packed integers before them are only summed, for the running total."""
        kinds = [step["kind"] for step in self._steps]
        if kinds[-2:] != ["IntegerPacking", "ByteArray"] or "RunLength" in kinds:
            values = _decode(self._data, self._steps)
            return [values[first:last] for first, last in windows]
        raw, packing, steps = _decode(self._data, self._steps[-1:]), self._steps[-2], self._steps[:-2]
        ends = _ends(raw, int(packing["byteCount"]), bool(packing["isUnsigned"]))
        found = []
        for window in windows:
            first = int(ends[window[0] - 1]) + 1 if window[0] else 0
            last = int(ends[window[1] - 1]) + 1 if window[1] else 0
            part = _add_up(raw[first:last], ends[window[0] : window[1]] - first)
            before = int(raw[:first].sum(dtype=np.int64)) if "Delta" in kinds else 0
            found.append(_decode(part, [{**step, "origin": int(step.get("origin", 0)) + before} for step in steps]))
        return found

    def texts(self, windows: list[Window]) -> list[StrArray]:
        """Return the strings of some rows."""
        text, at = self._text, _decode(*self._offsets)
        return [
            np.array([text[at[i] : at[i + 1]] if i >= 0 else "" for i in part], dtype=str)
            for part in self.rows(windows)
        ]

    def numbers(self, windows: list[Window]) -> list[FloatArray]:
        """Return the values of some rows, NaN where the file has none."""
        found = [np.array(part, dtype=np.float64) for part in self.rows(windows)]
        for values, mask in zip(found, self._mask.rows(windows) if self._mask else (), strict=False):
            values[mask != 0] = np.nan
        return found

    def windows(self, codes: list[str]) -> dict[str, Window]:
        """Return the rows that hold each code; they are contiguous."""
        indices, at, found = _decode(self._data, self._steps), _decode(*self._offsets), {}
        for code in codes:
            place = _place(self._text, at, code)
            rows = np.flatnonzero(indices == place)
            if place >= 0 and len(rows):
                found[code] = int(rows[0]), int(rows[-1]) + 1
        return found


def _place(text: str, offsets: Any, code: str) -> int:
    """Return the index of a string in a packed table of strings, or -1."""
    start = text.find(code)
    while start >= 0:
        k = int(np.searchsorted(offsets, start))
        if k + 1 < len(offsets) and offsets[k] == start and offsets[k + 1] == start + len(code):
            return k
        start = text.find(code, start + 1)
    return -1


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


def _entries(tables: dict[str, dict[str, _Column]], codes: list[str]) -> dict[str, Component | None]:
    summary, atoms, bonds = tables["chem_comp"], tables["chem_comp_atom"], tables["chem_comp_bond"]
    heads, rows, links = (column.windows(codes) for column in (summary["id"], atoms["comp_id"], bonds["comp_id"]))
    known = [code for code in codes if code in heads and code in rows]
    head, atom, bond = ([table.get(code, (0, 0)) for code in known] for table in (heads, rows, links))
    titles, kinds = (summary[name].texts(head) for name in ("name", "type"))
    names, old, elements = (atoms[name].texts(atom) for name in ("atom_id", "alt_atom_id", "type_symbol"))
    charges = atoms["charge"].numbers(atom)
    ideal, model = (
        [np.column_stack(axes) for axes in zip(*(atoms[p.format(axis)].numbers(atom) for axis in "xyz"), strict=True)]
        for p in _CARTESIAN
    )
    first, second, orders = (bonds[name].texts(bond) for name in ("atom_id_1", "atom_id_2", "value_order"))
    found: dict[str, Component | None] = dict.fromkeys(codes)
    for k, code in enumerate(known):
        index = {str(name): i for i, name in enumerate(names[k])}
        pairs = [(index[str(a)], index[str(b)]) for a, b in zip(first[k], second[k], strict=True)]
        found[code] = Component(
            code=code, name=str(titles[k][0]), kind=str(kinds[k][0]).lower(), atom_names=names[k], old_names=old[k],
            elements=np.array([str(element).capitalize() for element in elements[k]]),
            charges=np.nan_to_num(charges[k]).astype(np.int64),
            bonds=np.array(pairs, dtype=np.int64).reshape(-1, 2), orders=orders[k],
            coordinates=ideal[k] if np.isfinite(ideal[k]).all() else model[k],
        )  # fmt: skip
    return found


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
    return np.flatnonzero(~extreme).astype(np.int32)


def _add_up(values: Any, ends: Any) -> Any:
    if len(ends) == len(values):
        return values.astype(np.int32)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(values.astype(np.int64), starts)
