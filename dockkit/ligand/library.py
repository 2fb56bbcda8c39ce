"""The bundled ligands: ``ligands/catalogue.toml``."""

from __future__ import annotations

import functools
import tomllib

from rdkit import Chem
from rdkit.Chem import rdMolHash
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.core.library import library_dir
from dockkit.core.model import LigandEntry
from dockkit.core.molecule import skeleton

_MAX_MATCHES = 256


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


@functools.cache
def _entries_by_hash() -> dict[str, LigandEntry]:
    return {_tautomer_hash(Chem.MolFromSmiles(entry.smiles)): entry for entry in catalogue()}


def _tautomer_hash(molecule: Chem.Mol) -> str:
    """Return a text that tautomers share, more of them than share an InChIKey."""
    with BlockLogs():
        return str(rdMolHash.MolHash(uncharged(molecule), rdMolHash.HashFunction.HetAtomTautomerv2))


def recognise(molecule: Chem.Mol) -> tuple[LigandEntry | None, bool]:
    """Return the library entry of a molecule in any protonation state, and whether the tautomer is the same too."""
    entry = _entries_by_smiles().get(Chem.MolToSmiles(uncharged(molecule)))
    if entry is not None:
        return entry, True
    entry = _entries_by_key().get(_skeleton_key(molecule))
    if entry is None:
        other = _entries_by_hash().get(_tautomer_hash(molecule))
        entry = other if other is not None and as_entry(molecule, other) is not None else None
    return entry, False


def as_entry(molecule: Chem.Mol, entry: LigandEntry) -> Chem.Mol | None:
    """Return a tautomer of a library molecule as the library's tautomer and state, hydrogens implicit.

    Parameters
    ----------
    molecule : Chem.Mol
        Any tautomer and protonation state.
    entry : LigandEntry
        What it was recognised as.

    Returns
    -------
    Chem.Mol or None
        Heavy atoms in the molecule's order, conformers kept; None where the stereochemistry differs.
    """
    with BlockLogs():
        template = Chem.RemoveHs(Chem.MolFromSmiles(entry.smiles_ph74))
        heavy = Chem.RemoveHs(molecule)
    wanted = Chem.MolToSmiles(template)
    target, pattern = skeleton(heavy)[0], skeleton(template)[0]
    if target.GetNumAtoms() != pattern.GetNumAtoms():
        return None
    for match in target.GetSubstructMatches(pattern, uniquify=False, maxMatches=_MAX_MATCHES):
        result = _with_bonds_of(heavy, template, match)
        if result is not None and Chem.MolToSmiles(result) == wanted:
            return result
    return None


def _with_bonds_of(molecule: Chem.Mol, template: Chem.Mol, match: tuple[int, ...]) -> Chem.Mol | None:
    """Return the molecule with the bond orders, charges and hydrogens of the template; stereo stays its own."""
    result = Chem.RWMol(molecule)
    for source, index in zip(template.GetAtoms(), match, strict=True):
        atom = result.GetAtomWithIdx(index)
        atom.SetFormalCharge(source.GetFormalCharge())
        atom.SetNumExplicitHs(source.GetNumExplicitHs())
        atom.SetNoImplicit(source.GetNoImplicit())
        atom.SetIsAromatic(source.GetIsAromatic())
    for bond in template.GetBonds():
        other = result.GetBondBetweenAtoms(match[bond.GetBeginAtomIdx()], match[bond.GetEndAtomIdx()])
        other.SetBondType(bond.GetBondType())
        other.SetIsAromatic(bond.GetIsAromatic())
    with BlockLogs():
        try:
            Chem.SanitizeMol(result)
        except Chem.MolSanitizeException:
            return None
        Chem.AssignStereochemistry(result, cleanIt=True, force=True)
    return result.GetMol()
