"""Turn a RawStructure into a Receptor: repair, build, cap, protonate, keep what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from dockkit.core.errors import StructureError
from dockkit.core.model import Change, FloatArray, HetGroup, Kinase, Receptor, StrArray
from dockkit.core.residues import METALS, PHOSPHORYLATED, residue_templates
from dockkit.core.settings import PreparationSettings
from dockkit.structure.flips import optimise_amides_and_histidines
from dockkit.structure.loops import build_loops
from dockkit.structure.phospho import name_in_chain, phosphate_change
from dockkit.structure.protonate import add_hydrogens, assign_states
from dockkit.structure.reading import PEPTIDE_BOND_LIMIT, RawStructure, sentences
from dockkit.structure.repair import WorkResidue, add_oxygen, add_side_chain, cap_end, cap_start, heavy_cloud
from dockkit.structure.solvent import keep_metals, keep_waters

DISULFIDE_LIMIT: Final = 2.5
"""SG-SG distance within which two cysteines are bonded, Angstrom."""

STATE_NAMES: Final = frozenset({"HID", "HIE", "HIP", "HSD", "HSE", "HSP", "CYX", "CYM", "ASH", "GLH", "LYN"})
"""Names that other programs give to states of the twenty."""


@dataclass(frozen=True, slots=True)
class Company:
    """What stays with a chain and is modelled with it.

    Parameters
    ----------
    groups : tuple of HetGroup
        Ligands that stay, as deposited.
    coordinates : (n, 3) float
        Of their atoms, hydrogens included where known; Angstrom.
    elements : (n,) str
    names : tuple of str
        Atom names for the record; empty for elements.
    holds_metals : bool
        A nucleotide stays, and its metals with it.
    """

    groups: tuple[HetGroup, ...]
    coordinates: FloatArray
    elements: StrArray
    names: tuple[str, ...] = ()
    holds_metals: bool = False


def _residue_change(kind: str, residue: WorkResidue, what: str, why: str = "") -> Change:
    return Change(
        kind, what, why, residue.name, residue.chain, residue.number, residue.icode, residue.uniprot  # type: ignore[arg-type]
    )  # fmt: skip


def _standard_residues(raw: RawStructure, uniprot: list[int], revert: bool) -> tuple[list[WorkResidue], list[Change]]:
    """Return the residues that can be modelled, each under its name in the force field."""
    residues: list[WorkResidue] = []
    changes: list[Change] = []
    starts = np.searchsorted(raw.atom_residue, np.arange(raw.n_residues + 1))
    for index, original in enumerate(str(name) for name in raw.residue_names):
        rows = range(starts[index], starts[index + 1])
        number, icode = int(raw.author_numbers[index]), str(raw.insertion_codes[index])
        place = (original, raw.chain, number, icode, uniprot[index])
        name = name_in_chain(original, revert=revert)
        atoms = {str(raw.atom_names[i]): np.array(raw.coordinates[i]) for i in rows}
        if not name or not {"N", "CA", "C"} <= set(atoms):
            why = "main-chain atoms are missing" if name else "no known parent amino acid"
            changes.append(Change("removed", "residue left out", why, *place))
            continue
        if name == "ILE" and "CD" in atoms and "CD1" not in atoms:
            atoms["CD1"] = atoms["CD"]
        if original in PHOSPHORYLATED:
            changes.append(
                phosphate_change(
                    original, atoms, chain=raw.chain, number=number, icode=icode, uniprot=uniprot[index], revert=revert
                )
            )
        elif original != name and original not in STATE_NAMES:
            changes.append(Change("modified", f"modelled as {name}", "the unmodified amino acid", *place))
        kept = {str(a): atoms[str(a)] for a in residue_templates()[name].heavy if a in atoms}
        residues.append(WorkResidue(name, raw.chain, icode, number, uniprot[index], 0, kept))
    if not residues:
        raise StructureError(f"{raw.source}: chain {raw.chain} has no residue with a complete main chain")
    return residues, changes


def _numbered(change: Change, raw: RawStructure, uniprot: list[int]) -> Change:
    """Return a change of a residue of the chain with its UniProt number."""
    if change.uniprot_number or not change.residue_name or change.chain != raw.chain:
        return change
    same = (raw.author_numbers == change.author_number) & (raw.insertion_codes == change.insertion_code)
    rows = np.flatnonzero(same)
    return replace(change, uniprot_number=uniprot[rows[0]]) if len(rows) else change


def _split_segments(residues: list[WorkResidue]) -> None:
    for before, after in zip(residues, residues[1:], strict=False):
        gap = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
        after.segment = before.segment + (gap > PEPTIDE_BOND_LIMIT)


def _repair(residues: list[WorkResidue]) -> list[Change]:
    """Build the missing heavy atoms of the residues that are there."""
    changes = []
    for index, residue in enumerate(residues):
        following = residues[index + 1] if index + 1 < len(residues) else None
        if "O" not in residue.xyz:
            add_oxygen(residue, following if following is not None and following.segment == residue.segment else None)
            changes.append(_residue_change("atoms", residue, "carbonyl oxygen built"))
    for index, residue in enumerate(residues):
        missing = [str(a) for a in residue_templates()[residue.name].heavy if a not in residue.xyz]
        if missing:
            add_side_chain(residue, heavy_cloud(residues, without=(index,)))
            what = f"missing atoms built: {' '.join(missing)}"
            changes.append(_residue_change("atoms", residue, what, "the rotamer that clashes least"))
    return changes


def _build_loops(
    residues: list[WorkResidue],
    raw: RawStructure,
    kinase: Kinase | None,
    company: Company | None,
    longest: int,
    seed: int,
) -> tuple[list[WorkResidue], list[Change]]:
    return build_loops(
        residues,
        kinase.sequence if kinase else "",
        seqres=raw.seqres,
        others=np.concatenate(
            [
                company.coordinates[company.elements != "H"] if company else np.zeros((0, 3)),
                *(neighbour.coordinates for neighbour in raw.neighbours),
            ]
        ),
        max_length=longest,
        seed=seed,
    )


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
    modelled: bool, changes: list[Change],
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
        disulfides=np.array(pairs, dtype=np.int64).reshape(-1, 2), notes=sentences(tuple(changes)),
        changes=tuple(changes),
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
    raw: RawStructure, *, name: str, kinase: Kinase | None, uniprot_numbers: ArrayLike,
    settings: PreparationSettings | None = None, company: Company | None = None, modelled: bool = False,
    found: Sequence[Change] = (), seed: int = 0,
) -> Receptor:  # fmt: skip
    """Make a chain ready for modelling: every heavy atom and hydrogen there, termini and long breaks capped.

    Phosphorylated Ser, Thr and Tyr stay as dianions, other modified residues become their parent; missing side-chain
    atoms are built in the rotamer that clashes least; short missing stretches are built and long ones capped with ACE
    and NME; disulfides are found by distance; Asn, Gln and His are turned where hydrogen bonds say so; protonation
    follows PROPKA; metals that the protein holds and waters between it and the ligand stay.

    Parameters
    ----------
    raw : RawStructure
    name : str
        Label of the receptor.
    kinase : Kinase or None
    uniprot_numbers : (raw.n_residues,) int
        UniProt number of each residue; 0 where it has none.
    settings : PreparationSettings, optional
    company : Company, optional
        Ligands that stay; they count for protonation, waters and loops.
    modelled : bool
        Mark the conformation as modelled; a predicted structure always is.
    found : sequence of Change
        What others found out about the chain, for the record.
    seed : int
        Of the loops.

    Returns
    -------
    Receptor
        ``changes`` says residue by residue what was done, ``notes`` in sentences. The conformation is left ``unknown``.

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
    settings = settings or PreparationSettings()
    residues, changes = _standard_residues(raw, uniprot, settings.phosphorylation == "revert")
    changes = [_numbered(change, raw, uniprot) for change in (*raw.changes, *found)] + changes
    _split_segments(residues)
    built = _repair(residues)
    residues, loops = _build_loops(residues, raw, kinase, company, settings.longest_loop, seed)
    residues = _cap(residues)
    pairs = _disulfides(residues)
    changes += built + loops + _disulfide_changes(residues, pairs)
    bridged = {index for pair in pairs for index in pair}
    if settings.flips:
        modelled_sides = {(c.chain, c.author_number, c.insertion_code) for c in (*built, *loops)}
        fixed = frozenset(i for i, r in enumerate(residues) if (r.chain, r.number, r.icode) in modelled_sides)
        changes += optimise_amides_and_histidines(residues, raw.hetero, raw.waters, fixed=fixed)
    metals, metal_changes = _metals(raw, residues, company, settings)
    changes += metal_changes
    ions = tuple(group for group in raw.hetero if any(_same_place(group, metal) for metal in metals))
    staying = (*(company.groups if company else ()), *ions)
    changes += assign_states(
        residues, settings.ph, bridged, groups=staying, waters=raw.waters, method=settings.protonation
    )
    everything = [*residues, *metals]
    add_hydrogens(everything)
    waters, water_changes = _waters(raw, everything, company, settings)
    changes += water_changes
    everything = _in_own_segments(residues, [*metals, *waters])
    return _to_receptor(everything, pairs, raw, name, kinase, modelled or raw.is_model, changes)


def _disulfide_changes(residues: list[WorkResidue], pairs: list[tuple[int, int]]) -> list[Change]:
    return [
        _residue_change("disulfide", residues[i], f"bonded to {residues[j].label}", _gap(residues[i], residues[j]))
        for i, j in pairs
    ]


def _gap(first: WorkResidue, second: WorkResidue) -> str:
    return f"SG-SG {np.linalg.norm(first.xyz['SG'] - second.xyz['SG']):.2f} A"


def _metals(
    raw: RawStructure, residues: list[WorkResidue], company: Company | None, settings: PreparationSettings
) -> tuple[list[WorkResidue], list[Change]]:
    if settings.metals == "none":
        ions = [group.name for group in raw.hetero if group.name in METALS]
        what = f"{len(ions)} metal ions left out"
        return [], [Change("removed", what, "metals = none", chain=raw.chain)] if ions else []
    return keep_metals(
        raw.hetero,
        residues,
        company.coordinates if company else None,
        company.elements if company else None,
        keep_nucleotide_metals=bool(company and company.holds_metals),
    )


def _waters(
    raw: RawStructure, residues: list[WorkResidue], company: Company | None, settings: PreparationSettings
) -> tuple[list[WorkResidue], list[Change]]:
    if settings.waters == "none":
        what = f"{raw.n_waters} waters left out"
        return [], [Change("removed", what, "waters = none", chain=raw.chain)] if raw.waters else []
    return keep_waters(
        raw.waters,
        residues,
        company.coordinates if company else None,
        company.elements if company else None,
        ligand_names=company.names if company and company.names else None,
    )


def _same_place(group: HetGroup, residue: WorkResidue) -> bool:
    return (group.name, group.chain, group.number) == (residue.name, residue.chain, residue.number)


def _in_own_segments(residues: list[WorkResidue], others: list[WorkResidue]) -> list[WorkResidue]:
    last = max(residue.segment for residue in residues)
    for number, residue in enumerate(others, start=1):
        residue.segment = last + number
    return [*residues, *others]
