"""The bundled ligands: ``ligands/catalogue.toml``."""

from __future__ import annotations

import functools
import tomllib

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.library import library_dir
from dockkit.core.model import LigandEntry


@functools.cache
def catalogue() -> tuple[LigandEntry, ...]:
    """Return what the bundled library knows, in the order of the file.

    Returns
    -------
    tuple of LigandEntry
        ``smiles_ph74`` is always filled in.

    Raises
    ------
    LigandError
        The catalogue is not readable TOML, has an unknown key, or gives a name twice.
    """
    path = library_dir("ligands") / "catalogue.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["ligand"]
        entries = tuple(LigandEntry(**{"smiles_ph74": table["smiles"], **_tuples(table)}) for table in tables)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise LigandError(f"{path}: not a ligand catalogue ({error})") from error
    names = [name.lower() for entry in entries for name in (entry.name, *entry.synonyms)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LigandError(f"{path}: {', '.join(twice)} given twice")
    return entries


def _tuples(table: dict[str, object]) -> dict[str, object]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def find_entry(name: str) -> LigandEntry | None:
    """Return the entry with this name or synonym (case does not matter), or None."""
    wanted = name.strip().lower()
    for entry in catalogue():
        if wanted in (entry.name.lower(), *(synonym.lower() for synonym in entry.synonyms)):
            return entry
    return None


def uncharged(molecule: Chem.Mol) -> Chem.Mol:
    """Return the molecule with ionised acids and bases made neutral; heavy atoms keep their order."""
    with BlockLogs():
        return Chem.RemoveHs(rdMolStandardize.Uncharger().uncharge(Chem.Mol(molecule)))


@functools.cache
def _entries_by_smiles() -> dict[str, LigandEntry]:
    return {Chem.MolToSmiles(uncharged(Chem.MolFromSmiles(entry.smiles))): entry for entry in catalogue()}


@functools.cache
def _entries_by_key() -> dict[str, LigandEntry]:
    return {_skeleton_key(Chem.MolFromSmiles(entry.smiles)): entry for entry in catalogue()}


def inchi_key(molecule: Chem.Mol) -> str:
    """Return the InChIKey."""
    with BlockLogs():
        return str(Chem.MolToInchiKey(molecule))


def _skeleton_key(molecule: Chem.Mol) -> str:
    """Return the InChIKey without its protonation character: tautomers and protonation states share it."""
    return inchi_key(molecule).rpartition("-")[0]


def recognise(molecule: Chem.Mol) -> tuple[LigandEntry | None, bool]:
    """Return the library entry of a molecule in any protonation state, and whether the tautomer is the same too."""
    entry = _entries_by_smiles().get(Chem.MolToSmiles(uncharged(molecule)))
    if entry is not None:
        return entry, True
    return _entries_by_key().get(_skeleton_key(molecule)), False
