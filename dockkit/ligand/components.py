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

import msgpack
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


def _read(codes: list[str]) -> dict[str, Component | None]:
    try:
        block = msgpack.unpackb(_path().read_bytes())["dataBlocks"][0]
        tables = {
            category["name"].lstrip("_"): {column["name"]: column for column in category["columns"]}
            for category in block["categories"]
        }
        return _entries(tables, codes)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise LigandError(f"{_path()}: not a readable component dictionary ({error}); install biotite anew") from error


def _entries(tables: dict[str, dict[str, Any]], codes: list[str]) -> dict[str, Component | None]:
    summary, atoms, bonds = tables["chem_comp"], tables["chem_comp_atom"], tables["chem_comp_bond"]
    heads = np.concatenate(_rows(summary["id"], codes))
    atom_rows, bond_rows = _rows(atoms["comp_id"], codes), _rows(bonds["comp_id"], codes)
    all_atoms, all_bonds = np.concatenate(atom_rows), np.concatenate(bond_rows)
    texts = {name: _strings(atoms[name], all_atoms) for name in ("atom_id", "alt_atom_id", "type_symbol")}
    charges = _numbers(atoms["charge"], all_atoms)
    ideal, model = (np.column_stack([_numbers(atoms[f.format(axis)], all_atoms) for axis in "xyz"]) for f in _CARTESIAN)
    ends = [_strings(bonds[name], all_bonds) for name in ("atom_id_1", "atom_id_2", "value_order")]
    facts = dict(
        zip(
            _strings(summary["id"], heads),
            zip(_strings(summary["name"], heads), _strings(summary["type"], heads), strict=True),
            strict=True,
        )
    )
    found: dict[str, Component | None] = {}
    start = first = 0
    for k, code in enumerate(codes):
        rows = slice(start, start := start + len(atom_rows[k]))
        links = slice(first, first := first + len(bond_rows[k]))
        if code not in facts or rows.start == rows.stop:
            found[code] = None
            continue
        names = texts["atom_id"][rows]
        index = {str(name): i for i, name in enumerate(names)}
        pairs = [(index[str(a)], index[str(b)]) for a, b in zip(ends[0][links], ends[1][links], strict=True)]
        xyz = ideal[rows] if np.isfinite(ideal[rows]).all() else model[rows]
        found[code] = Component(
            code=code, name=str(facts[code][0]), kind=str(facts[code][1]).lower(),
            atom_names=names, old_names=texts["alt_atom_id"][rows],
            elements=np.array([str(e).capitalize() for e in texts["type_symbol"][rows]]),
            charges=np.nan_to_num(charges[rows]).astype(np.int64),
            bonds=np.array(pairs, dtype=np.int64).reshape(-1, 2), orders=ends[2][links], coordinates=xyz,
        )  # fmt: skip
    return found


def _rows(column: dict[str, Any], codes: list[str]) -> list[IntArray]:
    """Return, for each code, the rows of a text column that hold it."""
    encoding = column["data"]["encoding"][0]
    table = _table(encoding)
    place = {text: k for k, text in enumerate(table)}
    indices = _decode(column["data"]["data"], encoding["dataEncoding"])
    return [np.flatnonzero(indices == place[code]) if code in place else np.zeros(0, dtype=np.int64) for code in codes]


def _table(encoding: dict[str, Any]) -> list[str]:
    text, offsets = encoding["stringData"], _decode(encoding["offsets"], encoding["offsetEncoding"]).tolist()
    return [text[a:b] for a, b in zip(offsets, offsets[1:], strict=False)]


def _strings(column: dict[str, Any], rows: IntArray) -> StrArray:
    encoding = column["data"]["encoding"][0]
    text, offsets = encoding["stringData"], _decode(encoding["offsets"], encoding["offsetEncoding"])
    indices = _decode(column["data"]["data"], encoding["dataEncoding"])[rows]
    return np.array([text[offsets[i] : offsets[i + 1]] if i >= 0 else "" for i in indices], dtype=str)


def _numbers(column: dict[str, Any], rows: IntArray) -> FloatArray:
    """Return the values of a numeric column, NaN where the file has none."""
    values = _decode(column["data"]["data"], column["data"]["encoding"])[rows].astype(np.float64)
    if column["mask"] is not None:
        values[_decode(column["mask"]["data"], column["mask"]["encoding"])[rows] != 0] = np.nan
    return values


def _decode(data: bytes, encodings: list[dict[str, Any]]) -> Any:
    """Undo the steps of a BinaryCIF column, last one first."""
    values: Any = data
    for step in reversed(encodings):
        kind = step["kind"]
        if kind == "ByteArray":
            values = np.frombuffer(values, dtype=_TYPES[step["type"]])
        elif kind == "IntegerPacking":
            values = _unpack(values, int(step["byteCount"]), bool(step["isUnsigned"]))
        elif kind == "RunLength":
            values = np.repeat(values[::2], values[1::2])
        elif kind == "Delta":
            values = np.cumsum(values, dtype=np.int64) + int(step["origin"])
        elif kind == "FixedPoint":
            values = values / float(step["factor"])
        else:
            raise ValueError(f"encoding {kind} is not known")
    return values


def _unpack(values: Any, width: int, unsigned: bool) -> Any:
    """Add up the runs of extreme values by which packed integers stretch beyond their width."""
    high = 2 ** (8 * width - (not unsigned)) - 1
    low = -1 if unsigned else -(high + 1)
    ends = np.flatnonzero((values != high) & ((values != low) | unsigned))
    if len(ends) == len(values):
        return values.astype(np.int32)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.add.reduceat(values.astype(np.int64), starts)
