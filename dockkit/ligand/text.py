"""Molecules written as text: SMILES, CXSMILES and InChI, and what is wrong with text that is none of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import LigandError
from dockkit.ligand.parts import cut_light_metals

_DASHES: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D), "-")
_SPACES: Final = dict.fromkeys((0xA0, 0x2007, 0x202F, 0x2009, 0x3000), " ")
_NOTHING: Final = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD), "")
_QUOTES: Final = "\"'\u2018\u2019\u201c\u201d`"
_INCHI_KEY: Final = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")
_ATTACHMENT: Final = (
    "an open attachment point or wildcard atom (*); a polymer, fragment or R group is not one molecule, write out what "
    "stands there"
)
_BLANKS: Final = frozenset(
    ("nan", "n/a", "#n/a", "na", "n.a.", "none", "null", "nil", "-", "--", "?", ".", "unknown", "not available", "tbd")
)
_ATOM: Final = re.compile(r"\[[^\]]*(?:\]|$)|Br|Cl|[BCNOPSFIbcnops]|[-=#:/\\().@+%0-9~*$]")
_QUERY: Final = re.compile(r"~|\[[^\]]*(?:[;,!]|\$\(|#\d)[^\]]*\]|\[[^\]]*[aADXvRx]\d?\]")


@dataclass(frozen=True, slots=True)
class WrittenMolecule:
    """A molecule as it was written, not yet checked.

    Parameters
    ----------
    raw : Chem.Mol
        Not sanitised, salt bonds of light metals cut.
    source : str
        The SMILES or InChI alone, for messages.
    name : str
        What followed it; may be empty.
    notes : tuple of str
    """

    raw: Chem.Mol
    source: str
    name: str
    notes: tuple[str, ...] = ()


def cleaned(text: str) -> str:
    """Return text as typed on a keyboard: plain dashes and spaces, no invisible characters, no quotes around it."""
    plain = text.translate({**_DASHES, **_SPACES, **_NOTHING}).strip()
    while len(plain) > 1 and plain[0] in _QUOTES and plain[-1] in _QUOTES:
        plain = plain[1:-1].strip()
    return plain


def is_blank(text: str) -> bool:
    """Tell whether a text stands for nothing: empty, or one of the words by which tables say so."""
    return not text or text.lower() in _BLANKS


def is_inchi_key(text: str) -> bool:
    """Tell whether the text is an InChIKey, which names a molecule but does not hold it."""
    return _INCHI_KEY.fullmatch(text) is not None


def looks_like_smiles(text: str) -> bool:
    """Tell whether the text is meant as a SMILES rather than a name."""
    word = text.split()[0] if text.split() else ""
    chemical = "".join(_ATOM.findall(word)) == word
    return chemical and (len(word) < 3 or re.search(r"[=#()\[\]@]|[A-Za-z]\d|[CNO]{3}", word) is not None)


def written_molecule(text: str) -> WrittenMolecule | None:
    """Read a SMILES, a SMILES with a CXSMILES block, or an InChI, each with or without a name after it.

    Parameters
    ----------
    text : str
        As ``cleaned`` returns it.

    Returns
    -------
    WrittenMolecule or None
        None where the text is none of these.

    Raises
    ------
    LigandError
        The text is a reaction, a query (SMARTS), has open attachment points, or is an InChI that RDKit cannot read.
    """
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    if word.startswith("InChI="):
        return _from_inchi(word, rest)
    extension = ""
    if rest.startswith("|") and "|" in rest[1:]:
        extension, _, rest = rest[1:].partition("|")
        extension = f" |{extension}|"
    if ">" in re.sub(r"\[[^\]]*\]", "", word) and "-" not in word[:1]:
        raise LigandError(f"{short(word)}: this is a reaction; give one molecule")
    with BlockLogs():
        options = Chem.SmilesParserParams()
        options.sanitize, options.removeHs, options.strictCXSMILES = False, False, False
        raw = Chem.MolFromSmiles(word + extension, options)
    if raw is None:
        if re.search(r"\[R\d*'?\]", word):
            raise LigandError(f"{short(word)}: {_ATTACHMENT}")
        if _QUERY.search(word) and _is_smarts(word):
            raise LigandError(f"{short(word)}: this is a SMARTS query, which stands for many molecules; give a SMILES")
        return None
    _refuse_queries(raw, word)
    return WrittenMolecule(cut_light_metals(raw), short(word), rest.strip())


def _from_inchi(word: str, name: str) -> WrittenMolecule:
    with BlockLogs():
        molecule = Chem.MolFromInchi(word, sanitize=True, removeHs=True)
    if molecule is None or not molecule.GetNumAtoms():
        raise LigandError(f"{short(word)}: RDKit cannot read this InChI; give a SMILES")
    note = "read from InChI, which does not fix mobile hydrogens: check the tautomer"
    return WrittenMolecule(molecule, short(word), name, (note,))


def _is_smarts(word: str) -> bool:
    with BlockLogs():
        return Chem.MolFromSmarts(word) is not None


def _refuse_queries(raw: Chem.Mol, word: str) -> None:
    if any(atom.GetAtomicNum() == 0 for atom in raw.GetAtoms()):
        raise LigandError(f"{short(word)}: {_ATTACHMENT}")
    if any(bond.HasQuery() for bond in raw.GetBonds()) or re.search(r"\[#\d+\]", word):
        raise LigandError(f"{short(word)}: this is a SMARTS query, which stands for many molecules; give a SMILES")


def explain(text: str) -> str:
    """Return what is wrong with a SMILES that cannot be read, as far as a look at its marks tells."""
    word = text.split()[0] if text.split() else ""
    outside = re.sub(r"\[[^\]]*\]", "A", word)
    if word.count("[") != word.count("]"):
        return "a square bracket is not closed"
    if outside.count("(") != outside.count(")"):
        return f"{outside.count('(')} opening and {outside.count(')')} closing parentheses"
    rings = re.findall(r"%\d\d|\d", outside)
    odd = sorted({ring for ring in rings if rings.count(ring) % 2})
    if odd:
        return f"ring bond {', '.join(odd)} is opened and not closed"
    strange = sorted(set(_ATOM.sub("", word)))
    return f"'{''.join(strange)}' does not belong there" if strange else ""


def short(text: str) -> str:
    """Return the text, cut to 80 characters."""
    return text if len(text) <= 80 else text[:77] + "..."
