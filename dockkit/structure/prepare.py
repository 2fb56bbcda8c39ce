"""Turn a RawStructure into a Receptor: repair, cap, protonate."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import StructureError
from dockkit.core.model import Kinase, Receptor
from dockkit.core.residues import PHOSPHORYLATED, residue_templates
from dockkit.structure.phospho import name_in_chain, phosphate_change
from dockkit.structure.protonate import add_hydrogens, assign_states
from dockkit.structure.reading import PEPTIDE_BOND_LIMIT, RawStructure
from dockkit.structure.repair import WorkResidue, add_oxygen, add_side_chain, cap_end, cap_start, heavy_cloud

DISULFIDE_LIMIT: Final = 2.5
"""SG-SG distance within which two cysteines are bonded, Angstrom."""


def _standard_residues(
    raw: RawStructure, uniprot: list[int], notes: list[str], revert_phosphorylation: bool
) -> list[WorkResidue]:
    residues: list[WorkResidue] = []
    starts = np.searchsorted(raw.atom_residue, np.arange(raw.n_residues + 1))
    reverted, dropped = [], []
    for index, original in enumerate(str(name) for name in raw.residue_names):
        rows = range(starts[index], starts[index + 1])
        number, icode = int(raw.author_numbers[index]), str(raw.insertion_codes[index])
        name = name_in_chain(original, revert=revert_phosphorylation)
        atoms = {str(raw.atom_names[i]): np.array(raw.coordinates[i]) for i in rows}
        if not name or not {"N", "CA", "C"} <= set(atoms):
            dropped.append(f"{original} {number}{icode}")
            continue
        if name == "ILE" and "CD" in atoms and "CD1" not in atoms:
            atoms["CD1"] = atoms["CD"]
        if original in PHOSPHORYLATED:
            change = phosphate_change(
                original, atoms, chain=raw.chain, number=number, icode=icode, uniprot=uniprot[index],
                revert=revert_phosphorylation,
            )  # fmt: skip
            notes.append(change.sentence)
        elif original != name and original not in ("HID", "HIE", "HIP", "HSD", "HSE", "HSP", "CYX"):
            reverted.append(f"{original} {number}{icode} to {name}")
        kept = {str(a): atoms[str(a)] for a in residue_templates()[name].heavy if a in atoms}
        residues.append(WorkResidue(name, raw.chain, icode, number, uniprot[index], 0, kept))
    if reverted:
        notes.append("modified residues reverted to the unmodified amino acid: " + ", ".join(reverted))
    if dropped:
        notes.append("left out, for lack of main-chain atoms or of a known parent: " + ", ".join(dropped))
    if not residues:
        raise StructureError(f"{raw.source}: chain {raw.chain} has no residue with a complete main chain")
    return residues


def _split_segments(residues: list[WorkResidue], notes: list[str]) -> None:
    breaks = []
    for before, after in zip(residues, residues[1:], strict=False):
        gap = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
        after.segment = before.segment + (gap > PEPTIDE_BOND_LIMIT)
        if after.segment != before.segment:
            absent = after.number - before.number - 1
            what = f"{absent} residues absent" if absent > 0 else "chain broken"
            breaks.append(f"{before.label} to {after.label} ({what}, C-N {gap:.1f} A)")
    if breaks:
        notes.append("breaks capped with NME and ACE, nothing built in between: " + "; ".join(breaks))


def _repair(residues: list[WorkResidue], notes: list[str]) -> None:
    built = []
    for index, residue in enumerate(residues):
        following = residues[index + 1] if index + 1 < len(residues) else None
        if "O" not in residue.xyz:
            add_oxygen(residue, following if following is not None and following.segment == residue.segment else None)
            built.append(f"{residue.label} O")
    for index, residue in enumerate(residues):
        missing = [str(a) for a in residue_templates()[residue.name].heavy if a not in residue.xyz]
        if missing:
            add_side_chain(residue, heavy_cloud(residues, without=(index,)))
            built.append(f"{residue.label} {' '.join(missing)}")
    if built:
        notes.append("missing heavy atoms built: " + ", ".join(built))


def _cap(residues: list[WorkResidue]) -> list[WorkResidue]:
    capped = list(residues)
    segments = sorted({residue.segment for residue in residues})
    for segment in segments:
        members = [i for i, residue in enumerate(capped) if residue.segment == segment]
        cap = cap_start(capped[members[0]], heavy_cloud(capped, without=(members[0],)))
        capped.insert(members[0], cap)
        last = members[-1] + 1
        capped.insert(last + 1, cap_end(capped[last], heavy_cloud(capped, without=(last,))))
    return capped


def _disulfides(residues: list[WorkResidue]) -> list[tuple[int, int]]:
    cysteines = [i for i, r in enumerate(residues) if r.name == "CYS"]
    pairs = []
    for k, i in enumerate(cysteines):
        for j in cysteines[k + 1 :]:
            if float(np.linalg.norm(residues[i].xyz["SG"] - residues[j].xyz["SG"])) < DISULFIDE_LIMIT:
                pairs.append((i, j))
    return pairs


def _to_receptor(
    residues: list[WorkResidue], pairs: list[tuple[int, int]], raw: RawStructure, name: str, kinase: Kinase | None,
    modelled: bool, notes: list[str],
) -> Receptor:  # fmt: skip
    rows = []
    for index, residue in enumerate(residues):
        order = _atom_order(residue)
        rows += [(index, atom, _element(residue, atom), residue.xyz[atom]) for atom in order]
    return Receptor(
        name=name, kinase=kinase.gene if kinase else "", uniprot=kinase.uniprot if kinase else "", source=raw.source,
        modelled=modelled,
        atom_names=np.array([row[1] for row in rows]), elements=np.array([row[2] for row in rows]),
        atom_residue=np.array([row[0] for row in rows]), coordinates=np.array([row[3] for row in rows]),
        residue_names=np.array([r.name for r in residues]), chain_ids=np.array([r.chain for r in residues]),
        insertion_codes=np.array([r.icode for r in residues]), author_numbers=np.array([r.number for r in residues]),
        uniprot_numbers=np.array([r.uniprot for r in residues]), segments=np.array([r.segment for r in residues]),
        disulfides=np.array(pairs, dtype=np.int64).reshape(-1, 2), notes=tuple(notes),
    )  # fmt: skip


def _atom_order(residue: WorkResidue) -> list[str]:
    if residue.name in residue_templates():
        return [str(atom) for atom in residue_templates()[residue.name].atoms if atom in residue.xyz]
    order = ("H1", "CH3", "H2", "H3", "C", "O") if residue.name == "ACE" else ("N", "H", "C", "H1", "H2", "H3")
    return list(order)


def _element(residue: WorkResidue, atom: str) -> str:
    if residue.name in residue_templates():
        template = residue_templates()[residue.name]
        return str(template.elements[template.index(atom)])
    return atom[0]


def prepare_receptor(
    raw: RawStructure, *, name: str, kinase: Kinase | None, uniprot_numbers: ArrayLike, ph: float = 7.4,
    modelled: bool = False, revert_phosphorylation: bool = False,
) -> Receptor:  # fmt: skip
    """Make a chain ready for modelling: every heavy atom and hydrogen there, termini and breaks capped.

    Phosphorylated Ser, Thr and Tyr stay as dianions, other modified residues become their parent; missing side-chain
    atoms are built in the rotamer that clashes least; missing loops are not built: the ends are capped with ACE and
    NME; disulfides are found by distance; hydrogens are placed from ideal geometry and hydroxyls turned to their best
    hydrogen bond.

    Parameters
    ----------
    raw : RawStructure
    name : str
        Label of the receptor.
    kinase : Kinase or None
    uniprot_numbers : (raw.n_residues,) int
        UniProt number of each residue; 0 where it has none.
    ph : float
        For the titratable side chains.
    modelled : bool
        Mark the conformation as modelled.
    revert_phosphorylation : bool
        Phosphorylated residues become their parents too.

    Returns
    -------
    Receptor
        Notes say what was changed. The conformation is left ``unknown``.

    Raises
    ------
    StructureError
        The numbers do not fit the chain, or no residue has a complete main chain.
    """
    uniprot = [int(value) for value in np.asarray(uniprot_numbers).ravel()]
    if len(uniprot) != raw.n_residues:
        raise StructureError(
            f"{raw.source}: {len(uniprot)} UniProt numbers for {raw.n_residues} residues of chain {raw.chain}"
        )
    notes = list(raw.notes)
    residues = _standard_residues(raw, uniprot, notes, revert_phosphorylation)
    _split_segments(residues, notes)
    _repair(residues, notes)
    residues = _cap(residues)
    pairs = _disulfides(residues)
    if pairs:
        labels = [f"{residues[i].label} - {residues[j].label}" for i, j in pairs]
        notes.append("disulfide bonds: " + ", ".join(labels))
    bridged = {index for pair in pairs for index in pair}
    notes += [change.sentence for change in assign_states(residues, ph, bridged)]
    notes += _covalent_notes(raw)
    add_hydrogens(residues)
    return _to_receptor(residues, pairs, raw, name, kinase, modelled, notes)


def _covalent_notes(raw: RawStructure) -> list[str]:
    """Say which hetero groups are within bonding distance of the protein."""
    labels = [g.label for g in raw.hetero if g.distance < 2.0 and len(g.elements) > 4]
    if not labels:
        return []
    return [f"{', '.join(labels)} is covalently bound in the crystal; the residue is prepared as free"]
