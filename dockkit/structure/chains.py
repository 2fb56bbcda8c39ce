"""Choose a chain, one conformer of each residue and one set of atoms; every choice is stated as a Change."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import gemmi
import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model import Change, ChangeKind, FloatArray
from dockkit.core.residues import parent_name, templates

PEPTIDE_BOND_LIMIT: Final = 2.5
"""A C-N distance beyond this is a break, Angstrom."""

MIN_CHAIN_RESIDUES: Final = 30
"""A chain this long is taken for a protein rather than a peptide when none is asked for."""

MAX_CHAIN_RESIDUES: Final = 5000
"""A longer chain is refused: no kinase is, and preparing it would take very long."""

CAP_NAMES: Final = frozenset({"ACE", "NME", "NMA", "NH2", "FOR"})
"""Capping groups in the input; preparation builds its own."""

_MAIN_CHAIN: Final = frozenset({"N", "CA", "C"})
_CARBOXYL: Final = {"OT1": "O", "OT2": "OXT", "O1": "O", "O2": "OXT", "OC1": "O", "OC2": "OXT"}
"""Terminal oxygens of CHARMM and GROMACS files."""


@dataclass(slots=True)
class ResidueAtoms:
    """Heavy atoms of one residue as chosen from the file.

    Parameters
    ----------
    name, icode : str
    number : int
        Author's.
    het : bool
        Given as HETATM.
    names, elements : list of str
    xyz : list of three floats each
        Angstrom.
    occupancy, b_factor : list of float
    """

    name: str
    number: int
    icode: str
    het: bool
    names: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    xyz: list[list[float]] = field(default_factory=list)
    occupancy: list[float] = field(default_factory=list)
    b_factor: list[float] = field(default_factory=list)

    def at(self, name: str) -> FloatArray | None:
        """Return an atom's position, (3,) float, or None."""
        return np.array(self.xyz[self.names.index(name)]) if name in self.names else None

    def changed(self, chain: str, kind: ChangeKind, what: str, why: str = "") -> Change:
        """Return a Change of this residue."""
        return Change(kind, what, why, self.name, chain, self.number, self.icode)


def is_protein(residue: gemmi.Residue) -> bool:
    """Tell an amino acid of a chain from a free ligand that merely looks like one."""
    names = {atom.name for atom in residue}
    if parent_name(residue.name):
        return "CA" in names
    info = gemmi.find_tabulated_residue(residue.name)
    return bool(info.is_amino_acid()) and names >= _MAIN_CHAIN


def _number(residue: gemmi.Residue) -> int:
    return int(residue.seqid.num or 0)


def _sites(residues: list[gemmi.Residue]) -> list[list[gemmi.Residue]]:
    """Group residues by number: several at one number are alternative residues."""
    sites: dict[tuple[int, str], list[gemmi.Residue]] = {}
    for residue in residues:
        if is_protein(residue):
            sites.setdefault((_number(residue), residue.seqid.icode), []).append(residue)
    return list(sites.values())


def gather_chains(model: gemmi.Model) -> tuple[dict[str, list[gemmi.Residue]], list[Change]]:
    """Collect the residues of each chain name; a part after TER that numbers its residues anew is a chain of its own.

    Returns
    -------
    chains : dict of str to list of gemmi.Residue
        By author name, in the order of the file; '' is a chain without name.
    changes : list of Change
    """
    chains: dict[str, list[gemmi.Residue]] = {}
    seen: dict[str, set[tuple[int, str]]] = {}
    changes = []
    for part in model:
        keys = {(_number(r), r.seqid.icode) for r in part if is_protein(r)}
        name, copy = part.name, 2
        while len(keys & seen.get(name, set())) >= max(MIN_CHAIN_RESIDUES, len(keys) // 2):
            name, copy = f"{part.name}_{copy}", copy + 1
        if name != part.name and name not in chains:
            changes.append(
                Change("chain", f"chain {part.name or '(blank)'} numbers its residues anew after a TER: that part is "
                       f"called {name} here")
            )  # fmt: skip
        _extend(chains.setdefault(name, []), part)
        seen.setdefault(name, set()).update(keys)
    return chains, changes


def _extend(residues: list[gemmi.Residue], part: gemmi.Chain) -> None:
    """Add the residues of a part; one that a TER divided is put together again."""
    there = {(r.seqid.num, r.seqid.icode, r.name): r for r in residues} if residues else {}
    for residue in part:
        whole = there.get((residue.seqid.num, residue.seqid.icode, residue.name))
        if whole is None:
            residues.append(residue)
        else:
            for atom in residue:
                whole.add_atom(atom)


def choose_chain(
    chains: dict[str, list[gemmi.Residue]], wanted: str, path: Path, labels: dict[str, str]
) -> tuple[str, list[Change]]:
    """Return the chain to take: the one asked for, or the first of at least ``MIN_CHAIN_RESIDUES``.

    Parameters
    ----------
    chains : dict of str to list of gemmi.Residue
    wanted : str
        Author chain; '' for any, a blank for a chain without name.
    path : Path
    labels : dict of str to str
        mmCIF label chains by name, and the author chain of each; for the error message.

    Raises
    ------
    StructureError
        No protein, or no such chain; the message lists those there are.
    """
    lengths = {name: len(_sites(residues)) for name, residues in chains.items()}
    proteins = {name: n for name, n in lengths.items() if n}
    if not proteins:
        raise StructureError(f"{path}: no protein in it (chains: {', '.join(sorted(lengths)) or 'none'})")
    listing = ", ".join(f"{name or '(blank)'} ({n} residues)" for name, n in proteins.items())
    if wanted:
        name = "" if wanted.strip() in ("", "(blank)") else wanted
        if name not in proteins:
            hint = f"; {wanted} is the label_asym_id of author chain {labels[wanted]}" if wanted in labels else ""
            raise StructureError(f"{path}: no protein chain '{wanted}'; choose one of: {listing}{hint}")
    else:
        long_enough = (c for c, n in proteins.items() if n >= MIN_CHAIN_RESIDUES)
        name = next(long_enough, max(proteins, key=lambda c: proteins[c]))
    if proteins[name] > MAX_CHAIN_RESIDUES:
        raise StructureError(
            f"{path}: chain {name or '(blank)'} has {proteins[name]} residues, more than the {MAX_CHAIN_RESIDUES} that "
            "can be modelled; cut out the domain you need"
        )
    if len(proteins) == 1 or wanted:
        return name, []
    return name, [Change("chain", f"chain {name or '(blank)'} taken", f"the first long enough of: {listing}")]


# --------------------------------------------------------------------------- conformers


def _letters(residues: list[gemmi.Residue]) -> dict[str, tuple[float, int]]:
    """Return summed occupancy and number of atoms by altloc letter."""
    found: dict[str, tuple[float, int]] = {}
    for residue in residues:
        for atom in residue:
            if atom.altloc != "\0":
                total, n = found.get(atom.altloc, (0.0, 0))
                found[atom.altloc] = (total + float(atom.occ), n + 1)
    return found


def _moves_main_chain(residues: list[gemmi.Residue]) -> bool:
    return any(atom.altloc != "\0" and atom.name in _MAIN_CHAIN for residue in residues for atom in residue)


def _best(found: dict[str, tuple[float, int]]) -> str:
    return min(found, key=lambda letter: (-round(found[letter][0] / found[letter][1], 3), letter))


def choose_letters(sites: list[list[gemmi.Residue]]) -> list[str]:
    """Return the altloc letter to keep at each site, '' where there is none.

    The highest mean occupancy wins, the first letter where they tie. Neighbours whose main chains alternate together
    are decided together, so that no peptide bond joins two conformers.
    """
    found = [_letters(site) for site in sites]
    chosen = [""] * len(sites)
    start = 0
    while start < len(sites):
        stop = start + 1
        while (
            stop < len(sites)
            and len(found[start]) > 1
            and found[stop].keys() == found[start].keys()
            and _moves_main_chain(sites[stop])
            and _moves_main_chain(sites[stop - 1])
        ):
            stop += 1
        if found[start]:
            pooled = {
                letter: (sum(f[letter][0] for f in found[start:stop]), sum(f[letter][1] for f in found[start:stop]))
                for letter in found[start]
            }
            chosen[start:stop] = [_best(pooled)] * (stop - start)
        start = stop
    return chosen


def _stated(found: dict[str, tuple[float, int]], letter: str) -> str:
    mean = {key: total / n for key, (total, n) in found.items()}
    rest = ", ".join(f"{key} {mean[key]:.2f}" for key in sorted(mean) if key != letter)
    return f"occupancy {mean[letter]:.2f} against {rest}"


def _of_letter(residue: gemmi.Residue, letter: str) -> list[gemmi.Atom]:
    """Return the atoms of one conformer; an atom that only another conformer has completes it."""
    atoms = [atom for atom in residue if atom.altloc in ("\0", letter)]
    names = {atom.name for atom in atoms}
    others = [atom for atom in residue if atom.altloc not in ("\0", letter) and atom.name not in names]
    return atoms + (others if not atoms else [atom for atom in others if _near(atom, atoms)])


def _near(atom: gemmi.Atom, atoms: list[gemmi.Atom]) -> bool:
    gaps = [atom.pos.dist(other.pos) for other in atoms]
    return 1.0 < min(gaps) < 2.0


@cache
def _known(parent: str) -> dict[str, str]:
    """Return the elements of the heavy atoms of an amino acid by name; empty for ''."""
    if not parent:
        return {}
    template = templates()[parent]
    pairs = zip(template.atoms, template.elements, strict=True)
    return {str(name): str(element) for name, element in pairs if element != "H"} | {"OXT": "O"}


def _heavy(atom: gemmi.Atom, known: dict[str, str]) -> bool:
    """Tell heavy atoms; in an amino acid the name decides, whatever the element column says."""
    if not known:
        return atom.element.name not in ("H", "D")
    return atom.name in known or (
        atom.element.name not in ("H", "D") and not atom.name.lstrip("0123456789").startswith(("H", "D"))
    )


def pick_atoms(
    residue: gemmi.Residue, letter: str, chain: str
) -> tuple[ResidueAtoms, list[Change]]:  # fmt: skip
    """Take the heavy atoms of one conformer of a residue, each once.

    Parameters
    ----------
    residue : gemmi.Residue
    letter : str
        Altloc to keep, '' where there is no choice.
    chain : str
        For the Changes.
    """
    parent = parent_name(residue.name)
    known = _known(parent)
    out = ResidueAtoms(residue.name, _number(residue), residue.seqid.icode.strip(), residue.het_flag == "H")
    changes: list[Change] = []
    twice: list[str] = []
    foreign: list[str] = []
    elements: list[str] = []
    carboxyl = _CARBOXYL if known and all(atom.name != "O" for atom in residue) else {}
    for atom in _of_letter(residue, letter):
        if not _heavy(atom, known):
            continue
        name = carboxyl.get(atom.name, atom.name)
        element = atom.element.name
        if residue.name == "MSE" and name == "SE":
            name, element = "SD", "S"
        elif name in known:
            own = known[name]
            if element not in (own, "X") and not (residue.name == "SEC" or name == "CA"):
                elements.append(f"{name} {element}")
            element = own
        if name in out.names:
            twice.append(name)
            continue
        if residue.name == parent and name not in known and (parent, name) != ("ILE", "CD"):
            foreign.append(name)
            continue
        out.names.append(name)
        out.elements.append(element)
        out.xyz.append(atom.pos.tolist())
        out.occupancy.append(float(atom.occ))
        out.b_factor.append(float(atom.b_iso))
    if twice:
        changes.append(out.changed(chain, "duplicate", f"atoms given twice, the first kept: {' '.join(twice)}"))
    if foreign:
        why = f"{residue.name} has no such atoms"
        changes.append(out.changed(chain, "removed", f"atoms left out: {' '.join(foreign)}", why))
    if elements:
        changes.append(
            out.changed(chain, "atoms", f"element column not followed: {', '.join(elements)}", "the atom name decides")
        )
    return out, changes


# --------------------------------------------------------------------------- the chain


def read_chain(residues: list[gemmi.Residue], chain: str) -> tuple[list[ResidueAtoms], list[Change]]:
    """Take one residue per number and one conformer per residue of the chosen chain.

    Free amino acids (HETATM, bonded to no neighbour) are left for the hetero groups.
    """
    sites = _sites(residues)
    letters = choose_letters(sites)
    out: list[ResidueAtoms] = []
    changes: list[Change] = []
    for site, letter in zip(sites, letters, strict=True):
        residue = site[0]
        found = _letters(site)
        if len(site) > 1 and letter:
            residue = max(site, key=lambda r: sum(atom.altloc == letter for atom in r))
        picked, made = pick_atoms(residue, letter, chain)
        if not picked.names:
            continue
        if len(site) > 1:
            names = "/".join(r.name for r in site)
            kind: ChangeKind = "altloc" if letter else "duplicate"
            why = _stated(found, letter) if len(found) > 1 else "the first in the file"
            changes.append(picked.changed(chain, kind, f"{picked.name} kept of {names} at this number", why))
        elif len(found) > 1:
            changes.append(picked.changed(chain, "altloc", f"alternate location {letter} kept", _stated(found, letter)))
        if picked.name == "MSE":
            picked.name = "MET"
            changes.append(
                Change("modified", "selenomethionine read as methionine", "", "MSE", chain, picked.number, picked.icode)
            )
        changes += made + _unobserved(picked, chain)
        out.append(picked)
    return _in_bonding_order(_without_free(out), chain, changes), changes


def _unobserved(residue: ResidueAtoms, chain: str) -> list[Change]:
    absent = [name for name, occupancy in zip(residue.names, residue.occupancy, strict=True) if occupancy <= 0]
    if not absent:
        return []
    which = "all atoms" if len(absent) == len(residue.names) else " ".join(absent)
    return [residue.changed(chain, "atoms", f"occupancy 0, kept as deposited: {which}", "not seen in the density")]


def joined(residues: list[ResidueAtoms]) -> list[bool]:
    """Tell for each residue but the last whether a peptide bond joins it to the next."""
    flags = []
    for before, after in zip(residues, residues[1:], strict=False):
        c, n = before.at("C"), after.at("N")
        flags.append(c is not None and n is not None and float(np.linalg.norm(n - c)) <= PEPTIDE_BOND_LIMIT)
    return flags


def _without_free(residues: list[ResidueAtoms]) -> list[ResidueAtoms]:
    """Leave out amino acids given as HETATM that no peptide bond joins and that lie outside the chain's numbers."""
    flags = [False, *joined(residues), False]
    bonded = [r.number for i, r in enumerate(residues) if flags[i] or flags[i + 1]]
    if not bonded:
        return residues
    low, high = min(bonded), max(bonded)
    return [
        r for i, r in enumerate(residues) if flags[i] or flags[i + 1] or not r.het or low <= r.number <= high
    ]  # fmt: skip


def _in_bonding_order(residues: list[ResidueAtoms], chain: str, changes: list[Change]) -> list[ResidueAtoms]:
    """Return residues in the order of the file, or of their numbers where that joins more peptide bonds."""
    by_number = sorted(residues, key=lambda r: (r.number, r.icode))
    here, there = sum(joined(residues)), sum(joined(by_number))
    if there <= here:
        return residues
    why = f"{there} peptide bonds join neighbours, {here} in the order of the file"
    changes.append(Change("chain", f"residues of chain {chain or '(blank)'} put in the order of their numbers", why))
    return by_number
