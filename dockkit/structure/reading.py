"""Read a PDB or mmCIF file into a RawStructure: one protein chain, one altloc each, and the hetero groups around."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gemmi
import numpy as np

from dockkit.core.errors import StructureError
from dockkit.core.model import Change, FloatArray, HetGroup, IntArray, Link, StrArray, frozen_array
from dockkit.core.residues import one_letter
from dockkit.structure.chains import (
    PEPTIDE_BOND_LIMIT,
    ResidueAtoms,
    choose_chain,
    gather_chains,
    joined,
    read_chain,
)
from dockkit.structure.parsing import ParsedFile, header, parse_file
from dockkit.structure.sanity import check_geometry, check_sequence
from dockkit.structure.surroundings import WATERS, Neighbour, Partner, find_partners, read_groups, read_links, read_unit

__all__ = [
    "PEPTIDE_BOND_LIMIT",
    "ChainSummary",
    "Link",
    "Neighbour",
    "Partner",
    "RawStructure",
    "extract_het",
    "list_chains",
    "read_structure",
    "sentences",
]

LOW_CONFIDENCE: Final = 50.0
"""A predicted residue whose pLDDT is below this is very unsure (the AlphaFold database's own lowest class)."""

GROUP_REACH: Final = 5.0
"""A group this close to a chain is listed with it, Angstrom."""

MAX_LABELS: Final = 12
"""A note names this many residues; the Changes name all."""


@dataclass(frozen=True, slots=True)
class RawStructure:
    """One protein chain as deposited: heavy atoms only, one altloc, nothing built.

    Parameters
    ----------
    source : str
        File name without folder.
    chain : str
        Author chain chosen; '' where chains have no name.
    atom_names, elements : (n_atoms,) str
    atom_residue : (n_atoms,) int
        Index of each atom's residue.
    coordinates : (n_atoms, 3) float
        Angstrom.
    residue_names, insertion_codes : (n_residues,) str
        Names as deposited, save selenomethionine, which is MET.
    author_numbers : (n_residues,) int
    hetero : tuple of HetGroup
        Of every chain, nearest first.
    waters : tuple of HetGroup
        Of every chain, nearest first; one oxygen each.
    changes : tuple of Change
        Choices made while reading.
    occupancies, b_factors : (n_atoms,) float
        As deposited; a predicted model has its confidence (pLDDT, 0-100) in place of B.
    seqres : tuple of str
        Three-letter names of the chain's whole sequence as crystallised; empty where the file does not give it.
    links : tuple of Link
        Bonds between residues that the file states and that touch the chain.
    unit : tuple of str
        Chains of the biological unit that holds the chosen one; empty where the file gives none.
    neighbours : tuple of Neighbour
        Atoms of the other chains (those of the biological unit included) near the chosen one.
    pdb_id, title, method : str
        From the header, empty where it has none; ``pdb_id`` in capitals, ``method`` as ``X-RAY DIFFRACTION``.
    resolution : float
        Angstrom; nan where unknown.
    is_model : bool
        A predicted structure such as AlphaFold's, not an observation.
    """

    source: str
    chain: str
    atom_names: StrArray
    elements: StrArray
    atom_residue: IntArray
    coordinates: FloatArray
    residue_names: StrArray
    insertion_codes: StrArray
    author_numbers: IntArray
    hetero: tuple[HetGroup, ...]
    waters: tuple[HetGroup, ...]
    changes: tuple[Change, ...]
    occupancies: FloatArray
    b_factors: FloatArray
    seqres: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    unit: tuple[str, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    pdb_id: str = ""
    title: str = ""
    method: str = ""
    resolution: float = float("nan")
    is_model: bool = False

    @property
    def n_residues(self) -> int:
        """Number of residues."""
        return len(self.residue_names)

    @property
    def n_waters(self) -> int:
        """Number of waters."""
        return len(self.waters)

    @property
    def notes(self) -> tuple[str, ...]:
        """The changes in words, one sentence per kind; then the number of waters."""
        waters = (f"{self.n_waters} waters in the file",) if self.waters else ()
        return sentences(self.changes) + waters

    @property
    def chain_ids(self) -> StrArray:
        """The chosen chain for every residue, (n_residues,) str."""
        return np.array([self.chain] * self.n_residues, dtype=str)

    @property
    def segments(self) -> IntArray:
        """Segment of each residue, (n_residues,) int; it rises where no peptide bond joins a residue to the last."""
        ends: dict[str, FloatArray] = {}
        for name in ("C", "N"):
            rows = np.flatnonzero(self.atom_names == name)
            ends[name] = np.full((self.n_residues, 3), np.inf)
            ends[name][self.atom_residue[rows]] = self.coordinates[rows]
        with np.errstate(invalid="ignore"):
            gaps = np.linalg.norm(ends["N"][1:] - ends["C"][:-1], axis=1)
        bonded = gaps <= PEPTIDE_BOND_LIMIT
        return np.concatenate([[0], np.cumsum(~bonded)]).astype(np.int64)

    @property
    def sequence(self) -> str:
        """One-letter codes of the residues present; modified residues give their parent."""
        return "".join(one_letter(str(name)) for name in self.residue_names)

    def partners(self, coordinates: FloatArray, within: float = GROUP_REACH) -> tuple[Partner, ...]:
        """Return the other chains that touch a group, nearest first.

        Parameters
        ----------
        coordinates : (n, 3) float
            Of the group, Angstrom.
        within : float
            Angstrom.
        """
        return find_partners(self.neighbours, coordinates, within)


@dataclass(frozen=True, slots=True)
class ChainSummary:
    """One protein chain of a file, before anything is chosen.

    Parameters
    ----------
    name : str
        Author chain; '' where it has none.
    n_residues : int
    sequence : str
        One-letter codes of the residues present.
    segments : (n_residues,) int
        As in RawStructure.
    groups : tuple of str
        Labels of the hetero groups within ``GROUP_REACH`` of it, waters left out, nearest first.
    """

    name: str
    n_residues: int
    sequence: str
    segments: IntArray
    groups: tuple[str, ...]


def sentences(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Put changes into words: one sentence per kind, with at most ``MAX_LABELS`` residues for each thing done."""
    kinds: dict[str, dict[str, list[Change]]] = {}
    for change in changes:
        kinds.setdefault(change.kind, {}).setdefault(change.what, []).append(change)
    return tuple("; ".join(_clause(what, items) for what, items in parts.items()) for parts in kinds.values())


def _clause(what: str, items: list[Change]) -> str:
    if not items[0].residue_name:
        return items[0].sentence
    reasons = {item.why for item in items}
    common = reasons.pop() if len(reasons) == 1 else ""
    labels = [item.label + (f" ({item.why})" if item.why and not common else "") for item in items[:MAX_LABELS]]
    rest = f" and {len(items) - MAX_LABELS} more" if len(items) > MAX_LABELS else ""
    return what + (f" ({common})" if common else "") + ": " + ", ".join(labels) + rest


# --------------------------------------------------------------------------- reading


def _seqres(structure: gemmi.Structure, residues: list[gemmi.Residue], chain: str, is_cif: bool) -> tuple[str, ...]:
    """Return the crystallised sequence of the chain: of its SEQRES records or of its mmCIF entity."""
    if is_cif:
        counts: dict[str, int] = {}
        for residue in residues:
            counts[residue.entity_id] = counts.get(residue.entity_id, 0) + 1
        names = {e.name: list(e.full_sequence) for e in structure.entities if e.entity_type == gemmi.EntityType.Polymer}
        name = max((n for n in counts if names.get(n)), key=lambda n: counts[n], default="")
        full = names.get(name, [])
    else:
        full = next((list(e.full_sequence) for e in structure.entities if e.name == chain), [])
    return tuple(gemmi.Entity.first_mon(item) for item in full)


def _confidence(residues: list[ResidueAtoms]) -> FloatArray | None:
    """Return pLDDT per residue, (n,) float 0-100, where the B column looks like it: one value a residue, varied."""
    flat = [max(r.b_factor) - min(r.b_factor) < 0.011 for r in residues]
    values = np.array([float(np.mean(r.b_factor)) for r in residues])
    if len(values) < 10 or not all(flat) or values.min() < 0 or values.max() > 100 or np.ptp(values) < 1e-3:
        return None
    scaled = values * 100 if values.max() <= 1.0 else values
    return scaled if scaled.mean() >= LOW_CONFIDENCE / 2 else None


def _predicted(parsed: ParsedFile, residues: list[ResidueAtoms], chain: str) -> tuple[bool, list[Change]]:
    """Tell predicted models, and which of their residues are very unsure."""
    structure = parsed.structure
    bare = not any(
        header(structure, key) for key in ("_exptl.method", "_struct.title", "_struct_keywords.pdbx_keywords")
    )
    confidence = _confidence(residues) if parsed.predicted or (bare and np.isnan(_resolution(structure))) else None
    if not parsed.predicted and confidence is None:
        return False, []
    if confidence is None:
        return True, [Change("model", "a predicted structure, not an observation", "the file says so")]
    why = f"mean pLDDT {confidence.mean():.1f}" + (
        "" if parsed.predicted else "; told by the B column, one value a residue"
    )
    changes = [Change("model", "a predicted structure, not an observation", why)]
    for residue, value in zip(residues, confidence, strict=True):
        if value < LOW_CONFIDENCE:
            changes.append(residue.changed(chain, "model", "very low confidence", f"pLDDT {value:.0f}"))
    return True, changes


def _resolution(structure: gemmi.Structure) -> float:
    return float(structure.resolution) if structure.resolution > 0 else float("nan")


def _check_atoms(residues: list[ResidueAtoms], chain: str, path: Path) -> None:
    """Refuse coordinates that no chain can have."""
    for residue in residues:
        if not np.isfinite(np.array(residue.xyz)).all():
            raise StructureError(
                f"{path}: chain {chain} {residue.name} {residue.number} has coordinates that are not finite numbers"
            )
    xyz = np.array([point for residue in residues for point in residue.xyz], dtype=np.float64).reshape(-1, 3)
    if len(xyz) < 4 or np.ptp(xyz, axis=0).max() < 1.0:
        raise StructureError(f"{path}: chain {chain} has no usable coordinates (all atoms at one place)")
    names = {name for residue in residues for name in residue.names}
    if not {"N", "C"} <= names:
        raise StructureError(f"{path}: chain {chain} has C-alpha atoms only; full coordinates are needed")


def _file_changes(parsed: ParsedFile, seqres: tuple[str, ...], n_residues: int) -> list[Change]:
    changes = list(parsed.changes)
    if len(parsed.structure) > 1:
        changes.append(Change("chain", f"first of {len(parsed.structure)} models taken"))
    if len(seqres) > n_residues:
        absent = len(seqres) - n_residues
        changes.append(
            Change("break", f"{absent} of the {len(seqres)} residues of the crystallised chain have no coordinates")
        )
    return changes


def read_structure(path: str | Path, chain: str = "") -> RawStructure:
    """Read one protein chain and what stands around it.

    Parameters
    ----------
    path : str or Path
        PDB or mmCIF, plain or gzip; the content decides, not the ending.
    chain : str
        Author chain; empty takes the first of at least 30 residues, a blank one without name.

    Returns
    -------
    RawStructure
        First model, heavy atoms, one alternate location per residue.

    Raises
    ------
    StructureError
        No such file, empty, cut short, binary, no atoms, no protein, no such chain, or coordinates that cannot be.
    """
    path = Path(path)
    parsed = parse_file(path)
    structure = parsed.structure
    chains, changes = gather_chains(structure[0])
    labels = {r.subchain: name for name, rs in chains.items() for r in rs} if parsed.is_cif else {}
    name, chosen = choose_chain(chains, chain, path, labels)
    residues, made = read_chain(chains[name], name)
    _check_atoms(residues, name, path)
    changes += chosen + made + check_geometry(residues, name, path)
    xyz = np.array([point for residue in residues for point in residue.xyz], dtype=np.float64).reshape(-1, 3)
    hetero, waters, noticed = read_groups(chains, name, residues, xyz, parsed.lacks_elements)
    unit, neighbours, unit_changes = read_unit(structure, chains, name, xyz)
    is_model, model_changes = _predicted(parsed, residues, name)
    seqres = _seqres(structure, chains[name], name, parsed.is_cif)
    changes += check_sequence(residues, name, seqres)
    changes = _file_changes(parsed, seqres, len(residues)) + changes + unit_changes + noticed + model_changes
    owner = [i for i, residue in enumerate(residues) for _ in residue.names]
    n, atoms = len(residues), len(owner)

    def flat(key: str, kind: type) -> np.ndarray:
        return frozen_array([v for residue in residues for v in getattr(residue, key)], kind, (atoms,), key)

    return RawStructure(
        source=path.name, chain=name, atom_names=flat("names", str), elements=flat("elements", str),
        atom_residue=frozen_array(owner, np.int64, (None,), "atom residues"),
        coordinates=frozen_array(xyz, np.float64, (None, 3), "coordinates"),
        residue_names=frozen_array([r.name for r in residues], str, (n,), "residue names"),
        insertion_codes=frozen_array([r.icode for r in residues], str, (n,), "insertion codes"),
        author_numbers=frozen_array([r.number for r in residues], np.int64, (n,), "author numbers"),
        hetero=hetero, waters=waters, changes=tuple(changes), occupancies=flat("occupancy", np.float64),
        b_factors=flat("b_factor", np.float64), seqres=seqres, links=read_links(structure, name), unit=unit,
        neighbours=neighbours, pdb_id=header(structure, "_entry.id").upper(), title=header(structure, "_struct.title"),
        method=header(structure, "_exptl.method").upper(), resolution=_resolution(structure), is_model=is_model,
    )  # fmt: skip


def list_chains(path: str | Path) -> tuple[ChainSummary, ...]:
    """Return every protein chain of a file, in its order, so that one can be chosen by what it is.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    StructureError
        As ``read_structure``.
    """
    path = Path(path)
    parsed = parse_file(path)
    chains, _ = gather_chains(parsed.structure[0])
    summaries = []
    dry = {name: [residue for residue in members if residue.name not in WATERS] for name, members in chains.items()}
    for name, members in dry.items():
        residues, _ = read_chain(members, name)
        xyz = np.array([point for residue in residues for point in residue.xyz], dtype=np.float64).reshape(-1, 3)
        if not len(xyz) or not np.isfinite(xyz).all():
            continue
        groups, _, _ = read_groups(dry, name, residues, xyz, parsed.lacks_elements)
        segments = np.concatenate([[0], np.cumsum(~np.array(joined(residues), dtype=bool))]).astype(np.int64)
        near = tuple(group.label for group in groups if group.distance <= GROUP_REACH)
        sequence = "".join(one_letter(residue.name) for residue in residues)
        summaries.append(ChainSummary(name, len(residues), sequence, segments, near))
    if not summaries:
        raise StructureError(f"{path}: no protein in it (chains: {', '.join(sorted(chains)) or 'none'})")
    return tuple(summaries)


def extract_het(raw: RawStructure, code: str) -> HetGroup:
    """Return the hetero group with this code that lies nearest to the chosen chain.

    Parameters
    ----------
    raw : RawStructure
    code : str
        Het code such as ``STI``; ``STI:B`` and ``STI:B:201`` name chain and number as well.

    Returns
    -------
    HetGroup

    Raises
    ------
    StructureError
        None fits; the message lists what is there.
    """
    name, chain, number = ([*code.split(":"), "", ""])[:3]
    fits = [
        g
        for g in raw.hetero
        if g.name.upper() == name.upper() and chain in ("", g.chain) and number in ("", f"{g.number}{g.insertion_code}")
    ]
    if not fits:
        listing = ", ".join(g.label for g in raw.hetero) or "none"
        raise StructureError(f"{raw.source}: no hetero group '{code}'; present: {listing}")
    return fits[0]
