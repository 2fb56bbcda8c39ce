"""A bound group of a structure file as a ligand: bond orders, stereo, charge and protonation on crystal coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import LigandError
from dockkit.core.model import FloatArray, HetGroup, Ligand
from dockkit.ligand.bonds import CovalentBond
from dockkit.ligand.components import component, component_molecule
from dockkit.ligand.library import find_entry, uncharged
from dockkit.ligand.matching import Match, StereoReport, match_template, reordered, stereo_differences
from dockkit.ligand.perception import perceive
from dockkit.ligand.placing import complete, free_warhead, with_hydrogens
from dockkit.ligand.protonation import PH, is_charged
from dockkit.ligand.reading import parse_written
from dockkit.ligand.state import check_charge, check_limits, choose_state, make_record
from dockkit.ligand.stereo import check_stereo
from dockkit.ligand.warheads import Restored, restore_warhead

PH_RANGE: Final = 0.5
"""The rules for the protonation state hold this far from pH 7.4."""

_LONG_DOUBLE: Final = 1.44
"""Angstrom: a C=C bond longer than this is not double."""

_SHORT_SINGLE: Final = 1.42
"""Angstrom: a C-C bond between sp3 carbons shorter than this is not single."""

_MIN_DISTANCE: Final = 2.8
"""Angstrom: closest that a freed warhead may stay to the atom it was bonded to."""


def ligand_from_group(
    group: HetGroup,
    *,
    smiles: str = "",
    ph: float = PH,
    name: str = "",
    bonds: Sequence[CovalentBond] = (),
) -> Ligand:
    """Return a bound group as a ligand whose heavy atoms stay exactly where the crystal has them.

    Bond orders, formal charges and stereo come from a SMILES where one is given, else from the PDB's component
    dictionary by het code, else from the ligand library by code, else, uncertain, from the geometry. The template is
    laid on the atoms by name or by elements and distances. The stereochemistry is that of the coordinates: where it
    differs from the dictionary a note says so, where it differs from a SMILES the group is refused. A few missing atoms
    at the ends are built. The protonation state is that of the library or of dockkit's rules. A group bonded to the
    protein becomes the unreacted molecule, its warhead moved to van der Waals contact.

    Parameters
    ----------
    group : HetGroup
        Heavy atoms, one alternate location.
    smiles : str
        The molecule; its charges, where it has any, are kept.
    ph : float
        For the notes: the rules hold for pH 7.4.
    name : str
        Of the ligand; the library's or the het code where left out.
    bonds : sequence of CovalentBond
        From ``covalent_bonds``; those of other groups are passed over.

    Returns
    -------
    Ligand
        ``pose_given`` is true. Heavy atoms come first, in the group's order, built ones behind them; then hydrogens.

    Raises
    ------
    LigandError
        An ion or a part of a larger molecule (sugar of a glycoprotein, peptide); a SMILES with other atoms or another
        stereoisomer; too many atoms missing; a reacted group whose unreacted form cannot be told; elements without
        parameters.
    """
    own = [bond for bond in bonds if bond.group.label == group.label]
    _refuse(group, own)
    template, match, notes = _template(group, smiles)
    molecule = reordered(template, match.order, match.missing)
    names = [str(item) for item in group.atom_names] + [_name(template, k) for k in match.missing]
    coordinates = np.array(group.coordinates, dtype=np.float64)
    restored = _restored(molecule, group, own, coordinates)
    if restored is not None:
        molecule = restored.molecule
        notes = [*notes, f"bonded to {own[0].partner} in the structure ({own[0].length:.2f} A); {restored.note}"]
    if match.missing:
        coordinates = complete(molecule, coordinates, group.label, names[len(match.order) :])
        notes.append(f"atoms missing in the structure were built: {', '.join(names[len(match.order) :])}")
    reacted = restored.reacted if restored is not None else ()
    report = stereo_differences(molecule, coordinates, frozenset(reacted), np.array(names))
    notes += _stereo_notes(report, group, bool(smiles))
    notes += _broken_notes(match, names)
    if restored is None:
        notes += _length_notes(report.molecule, coordinates, names)
    return _record(group, report.molecule, coordinates, notes, smiles=smiles, ph=ph, name=name, restored=restored,
                   bond=own[0] if own else None)  # fmt: skip


def _record(
    group: HetGroup,
    molecule: Chem.Mol,
    coordinates: FloatArray,
    notes: list[str],
    *,
    smiles: str,
    ph: float,
    name: str,
    restored: Restored | None,
    bond: CovalentBond | None,
) -> Ligand:
    """Choose the protonation state, place hydrogens, free the warhead, and make the record."""
    where = group.label
    check_limits(molecule, where)
    keep = bool(smiles) and is_charged(molecule)
    state, entry, why = choose_state(molecule if keep else uncharged(molecule))
    check_stereo(state, where)
    check_charge(state, where)
    if abs(ph - PH) > PH_RANGE:
        why = (*why, f"the rules for the protonation state hold for pH {PH}; check it for pH {ph}, or give the SMILES")
    full = with_hydrogens(state, coordinates)
    if restored is not None and bond is not None:
        full, distance, moved = free_warhead(full, len(coordinates), restored.reacted, bond.anchor, bond.nearby)
        if distance < _MIN_DISTANCE:
            raise LigandError(
                f"{where}: its warhead cannot leave {bond.partner} without a clash ({distance:.1f} A); dock the ligand"
            )
        notes = [*notes, f"reversible complex: warhead moved to {distance:.1f} A from {bond.partner}, "
                 f"heavy atoms by up to {moved:.1f} A"]  # fmt: skip
    label = name or (entry.name if entry is not None else group.name)
    return make_record(full, label, entry, pose_given=True, notes=(f"bound as {where}", *notes, *why))


def _refuse(group: HetGroup, bonds: list[CovalentBond]) -> None:
    """Refuse ions and parts of larger molecules."""
    if len(group.elements) == 1:
        raise LigandError(f"{group.label}: a single atom, not a ligand; name another group")
    others = [bond for bond in bonds if bond.to_group]
    if others:
        raise LigandError(
            f"{group.label}: part of a larger molecule, bonded to {others[0].partner} ({others[0].length:.2f} A); give "
            "the whole ligand as an SDF file"
        )
    known = component(group.name)
    kind = known.kind if known is not None else ""
    if bonds and "saccharide" in kind:
        raise LigandError(f"{group.label}: a sugar of the glycoprotein, bonded to {bonds[0].partner}; not a ligand")
    if bonds and bonds[0].residue_atom in ("N", "C", "O"):
        raise LigandError(
            f"{group.label}: bonded to the main chain at {bonds[0].partner}; part of the chain, not a ligand"
        )
    if len({bond.partner for bond in bonds}) > 1:
        listed = ", ".join(bond.partner for bond in bonds)
        raise LigandError(f"{group.label}: bonded to the protein at several places ({listed}); not handled")


# --------------------------------------------------------------------------- template


def _template(group: HetGroup, smiles: str) -> tuple[Chem.Mol, Match, list[str]]:
    """Return the molecule with bond orders, how it lies on the group, and where it comes from."""
    if smiles:
        parsed = parse_written(smiles)
        return parsed.molecule, match_template(parsed.molecule, group), ["bond orders from the SMILES given"]
    known = component(group.name)
    molecule = component_molecule(known) if known is not None else None
    notes: list[str] = []
    if known is not None and molecule is not None:
        try:
            match = match_template(molecule, group)
            how = "" if match.by_name else ", laid on by elements and distances since the atom names differ"
            return molecule, match, [f"bond orders from the PDB component dictionary ({group.name}: {known.name}){how}"]
        except LigandError as error:
            if _shared_names(molecule, group) > 0.5:
                raise
            notes.append(f"not the {group.name} of the PDB component dictionary ({known.name}): {_short(error)}")
    entry = find_entry(group.name)
    if entry is not None:
        molecule = Chem.MolFromSmiles(entry.smiles)
        try:
            return molecule, match_template(molecule, group), [*notes, f"bond orders of {entry.name} from the library"]
        except LigandError:
            notes.append(f"not {entry.name} of the library either")
    molecule = perceive(group)
    guess = Chem.MolToSmiles(molecule)
    notes.append(
        f"uncertain: bond orders from the geometry alone, {guess}; give its SMILES if that is not the molecule"
    )
    return molecule, Match(tuple(range(len(group.elements))), (), False), notes


def _shared_names(molecule: Chem.Mol, group: HetGroup) -> float:
    names = {atom.GetProp("name") for atom in molecule.GetAtoms()}
    return float(np.mean([str(name) in names for name in group.atom_names]))


def _short(error: LigandError) -> str:
    return str(error).split(": ", 1)[-1].split("; give")[0]


def _name(template: Chem.Mol, index: int) -> str:
    atom = template.GetAtomWithIdx(index)
    return str(atom.GetProp("name")) if atom.HasProp("name") else f"{atom.GetSymbol()}{index + 1}"


def _restored(
    molecule: Chem.Mol, group: HetGroup, bonds: list[CovalentBond], coordinates: FloatArray
) -> Restored | None:
    if not bonds:
        return None
    index = [str(name) for name in group.atom_names].index(bonds[0].atom)
    try:
        return restore_warhead(molecule, index, coordinates, bonds[0].anchor, group.label)
    except LigandError as error:
        raise LigandError(f"{error} [{bonds[0].label}]") from error


# --------------------------------------------------------------------------- what the coordinates say


def _stereo_notes(report: StereoReport, group: HetGroup, given: bool) -> list[str]:
    wrong, flat, new = (", ".join(items) for items in (report.wrong, report.undecided, report.new))
    if wrong and given:
        raise LigandError(
            f"{group.label}: the structure shows another stereoisomer than the SMILES given, at {wrong}; "
            f"the coordinates are those of {Chem.MolToSmiles(report.molecule)}"
        )
    notes = []
    if wrong:
        notes.append(
            f"stereochemistry at {wrong} is the other way round in the coordinates than in the dictionary; the "
            "coordinates are kept, check the structure"
        )
    if flat:
        notes.append(f"the coordinates do not decide the stereochemistry at {flat}; the template's is taken")
    if new:
        notes.append(f"stereochemistry at {new} taken from the coordinates, the template leaves it open")
    return notes


def _broken_notes(match: Match, names: list[str]) -> list[str]:
    listed = ", ".join(f"{names[a]}-{names[b]} {length:.2f} A" for a, b, length in match.broken)
    return [f"unusual bond lengths in the structure: {listed}"] if listed else []


def _length_notes(molecule: Chem.Mol, xyz: FloatArray, names: list[str]) -> list[str]:
    """Name open-chain carbon bonds whose length contradicts their order: the compound may be an analogue."""
    found = []
    for bond in molecule.GetBonds():
        a, b = bond.GetBeginAtom(), bond.GetEndAtom()
        if {a.GetSymbol(), b.GetSymbol()} != {"C"} or bond.IsInRing():
            continue
        length = float(np.linalg.norm(xyz[a.GetIdx()] - xyz[b.GetIdx()]))
        order = bond.GetBondType()
        sp3 = all(atom.GetHybridization() == Chem.HybridizationType.SP3 for atom in (a, b))
        if (order == Chem.BondType.DOUBLE and length > _LONG_DOUBLE) or (
            order == Chem.BondType.SINGLE and sp3 and length < _SHORT_SINGLE
        ):
            kind = "double" if order == Chem.BondType.DOUBLE else "single"
            found.append(f"{names[a.GetIdx()]}-{names[b.GetIdx()]} ({kind}, {length:.2f} A)")
    if not found:
        return []
    return [
        f"the length of {', '.join(found)} contradicts its order: the compound may be an analogue of the dictionary's; "
        "if so give its SMILES"
    ]
