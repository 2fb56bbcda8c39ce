"""Side chains that move with the ligand: which ones, and Vina's search with them.

A side chain turns about its chi angles; bond lengths, angles and rings stay. In the flexible PDBQT the residue's
C-alpha is the fixed root and each chi angle a branch in the one before it. Vina does not score the ligand against root
atoms, so that the rest of the main chain is left in the rigid part. Hydroxyl hydrogens keep their direction: Vina's
score does not see hydrogens [1]_.

References
----------
.. [1] Eberhardt et al., J. Chem. Inf. Model. 2021, 61, 3891; flexible side chains: Trott, Olson, J. Comput. Chem.
   2010, 31, 455.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from vina import Vina

from dockkit.core.errors import DockingError, InputError, StructureError
from dockkit.core.geometry import dihedral, rotate_about
from dockkit.core.model import FloatArray, Kinase, Ligand, Numbering, Pose, Receptor, Variant
from dockkit.core.residues import one_letter, residue_templates
from dockkit.core.settings import DockingSettings
from dockkit.docking.merge import MIN_POSE_RMSD
from dockkit.docking.molecule import ligand_mol, rebuild_hydrogens
from dockkit.docking.receptor import atom_types, receptor_pdbqt
from dockkit.docking.vina import EVALUATIONS_PER_RUN, RUNS_PER_EXHAUSTIVENESS, ligand_pdbqt, read_poses

MAX_RESIDUES: Final = 6
"""More moving side chains than this drown the search."""

NEIGHBOUR_REACH: Final = 4.5
"""Angstrom between side-chain atoms of the gatekeeper and of what ``neighbours`` means."""

MAX_NEIGHBOURS: Final = 3

WORDS: Final = ("gatekeeper", "neighbours")

ROOT: Final = "CA"
"""The fixed atom that a moving side chain hangs on; the other main-chain atoms stay in the rigid part."""

MAX_DEVIATION: Final = 0.05
"""Angstrom: a side chain turned to the dihedrals of the engine's output must fit its atoms this well."""


@dataclass(frozen=True, slots=True)
class FlexibleRequest:
    """One thing that shall move: a word of ``WORDS``, or a residue with the letter it should be ('' for any)."""

    word: str = ""
    letter: str = ""
    number: int = 0
    chain: str = ""

    @property
    def label(self) -> str:
        """As the user wrote it."""
        return self.word or f"{self.chain + ':' if self.chain else ''}{self.letter}{self.number}"


def parse_flexible(texts: Iterable[str]) -> tuple[FlexibleRequest, ...]:
    """Read what shall move.

    Parameters
    ----------
    texts : iterable of str
        Each ``gatekeeper``, ``neighbours``, or residues such as ``T315``, ``315`` or ``A:T315``; commas join several.

    Raises
    ------
    InputError
        A word that is none of these, or one given twice.
    """
    found: list[FlexibleRequest] = []
    for word in (part.strip() for text in texts for part in text.split(",")):
        match = re.fullmatch(r"(?:([A-Za-z0-9]):)?([A-Za-z]?)(\d+)", word)
        if word.lower().replace("neighbors", "neighbours") in WORDS:
            request = FlexibleRequest(word.lower().replace("neighbors", "neighbours"))
        elif match:
            request = FlexibleRequest("", match.group(2).upper(), int(match.group(3)), match.group(1) or "")
        else:
            raise InputError(f"--flexible '{word}': write gatekeeper, neighbours, or residues such as T315,F317")
        if request in found:
            raise InputError(f"--flexible '{word}' is given twice")
        found.append(request)
    return tuple(found)


def requests_after(requests: Sequence[FlexibleRequest], variant: Variant) -> tuple[FlexibleRequest, ...]:
    """Return requests as they hold in a mutant: a residue named by its wild-type letter has the mutant's.

    Parameters
    ----------
    requests : sequence of FlexibleRequest
    variant : Variant
        Under the numbering of the requests.

    Returns
    -------
    tuple of FlexibleRequest
        Without residues that the mutation leaves no side chain that turns (Ala, Gly, Pro).
    """
    made = {site.number: site for site in variant.substitutions}
    found = []
    for request in requests:
        site = made.get(request.number)
        if site is None or request.word or request.chain not in ("", site.chain or request.chain):
            found.append(request)
        elif site.mutant not in "AGP":
            meant = request.letter and site.wild_type in ("", request.letter)
            found.append(replace(request, letter=site.mutant) if meant else request)
    return tuple(found)


def flexible_residues(
    receptor: Receptor, kinase: Kinase, requests: Sequence[FlexibleRequest], numbering: Numbering
) -> tuple[int, ...]:
    """Return the residues that shall move.

    Parameters
    ----------
    receptor : Receptor
        Its UniProt numbers count as the kinase does.
    kinase : Kinase
    requests : sequence of FlexibleRequest
    numbering : {"uniprot", "author"}
        How the residues of the requests count.

    Returns
    -------
    tuple of int
        Residue indices, in order, each once; a gatekeeper whose side chain cannot turn is left out.

    Raises
    ------
    InputError
        A residue is not there or another one, its side chain cannot turn, or there are too many.
    """
    chosen: set[int] = set()
    for request in requests:
        if request.word == "neighbours":
            chosen |= set(_neighbours(receptor, kinase))
            continue
        if request.word:
            index = _gatekeeper(receptor, kinase)
        else:
            index = receptor.residue_index(request.number, numbering, request.chain or None)
            there = one_letter(str(receptor.residue_names[index]))
            if request.letter and there != request.letter:
                raise InputError(
                    f"--flexible {request.label}: residue {request.number} of {receptor.name} is {there} in "
                    f"{numbering} numbering; check the number, or choose the other --numbering"
                )
        if not _turns(receptor, index) and request.word:
            continue  # a gatekeeper that a mutation made Ala or Gly: nothing to move
        if not _turns(receptor, index):
            name = str(receptor.residue_names[index])
            raise InputError(
                f"--flexible {request.label}: {receptor.name} has {name} there, whose side chain does not turn "
                "(Ala, Gly, Pro, disulfides, modified residues); leave it out"
            )
        chosen.add(index)
    if len(chosen) > MAX_RESIDUES:
        raise InputError(
            f"{receptor.name}: {len(chosen)} moving side chains; at most {MAX_RESIDUES} can be searched, name fewer"
        )
    return tuple(sorted(chosen))


def _gatekeeper(receptor: Receptor, kinase: Kinase) -> int:
    if not kinase.gatekeeper:
        raise InputError(f"{receptor.name}: its gatekeeper is not known; name the residue for --flexible")
    return receptor.residue_index(kinase.gatekeeper)


def _turns(receptor: Receptor, residue: int) -> bool:
    name = str(receptor.residue_names[residue])
    bonded = residue in set(receptor.disulfides.ravel().tolist())
    return (
        name != "PRO" and len(name) == 3 and one_letter(name) != "X" and not bonded and bool(_chis(receptor, residue))
    )


def _neighbours(receptor: Receptor, kinase: Kinase) -> list[int]:
    """Return pocket residues whose turning side chain touches the gatekeeper's, the nearest first."""
    gatekeeper = _gatekeeper(receptor, kinase)
    own = receptor.coordinates[_side_chain(receptor, gatekeeper)]
    found = []
    for number in kinase.pocket:
        try:
            index = receptor.residue_index(number) if number else gatekeeper
        except StructureError:
            continue
        if index == gatekeeper or not _turns(receptor, index):
            continue
        other = receptor.coordinates[_side_chain(receptor, index)]
        gap = float(np.linalg.norm(own[:, None] - other[None], axis=2).min())
        if gap <= NEIGHBOUR_REACH:
            found.append((gap, index))
    return [index for _, index in sorted(found)[:MAX_NEIGHBOURS]]


def _side_chain(receptor: Receptor, residue: int) -> list[int]:
    atoms = receptor.atom_indices(residue).tolist()
    kept = [
        a for a in atoms if receptor.elements[a] != "H" and receptor.atom_names[a] not in ("N", "CA", "C", "O", "OXT")
    ]
    return kept or [a for a in atoms if receptor.atom_names[a] == "CA"]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One chi angle as atom indices of the receptor; ``moves`` are the atoms beyond the bond, hydrogens included."""

    atoms: tuple[int, int, int, int]
    moves: tuple[int, ...]


def _chis(receptor: Receptor, residue: int) -> list[_Turn]:
    """Return the chi angles of a residue that move heavy atoms, chi1 first."""
    template = residue_templates().get(str(receptor.residue_names[residue]))
    if template is None:
        return []
    place = {str(receptor.atom_names[a]): int(a) for a in receptor.atom_indices(residue)}
    turns = []
    for chi in template.chis:
        moves = tuple(place[name] for name in chi.moves if name in place)
        if any(name not in place for name in chi.atoms) or all(receptor.elements[a] == "H" for a in moves):
            continue
        a, b, c, d = (place[name] for name in chi.atoms)
        turns.append(_Turn((a, b, c, d), moves))
    return turns


def split_receptor(receptor: Receptor, residues: Sequence[int]) -> tuple[str, str]:
    """Return the receptor as PDBQT in two parts: what is rigid, and the moving residues.

    Parameters
    ----------
    receptor : Receptor
        All hydrogens present.
    residues : sequence of int
        Residue indices whose side chains move.

    Returns
    -------
    rigid, flexible : str
        The C-alpha of a moving residue stands in ``flexible`` as its fixed root.

    Raises
    ------
    DockingError
        A residue lacks a main-chain or side-chain atom.
    """
    kept = [atom for atom, kind in enumerate(atom_types(receptor)) if kind]
    lines = [line for line in receptor_pdbqt(receptor).splitlines() if line.startswith(("ATOM", "HETATM"))]
    line_of = dict(zip(kept, lines, strict=True))
    flexible: list[str] = []
    taken: set[int] = set()
    serial = 0
    for residue in residues:
        atoms = receptor.atom_indices(residue).tolist()
        names = {str(receptor.atom_names[a]): a for a in atoms}
        turns = _chis(receptor, residue)
        label = f"{receptor.residue_names[residue]} {receptor.author_numbers[residue]}"
        if ROOT not in names or not turns:
            raise DockingError(f"{receptor.name} {label}: an atom is missing, so that its side chain cannot move")
        groups = [[names[ROOT]]]
        for k, turn in enumerate(turns):
            beyond = {turn.atoms[2]}
            if k + 1 < len(turns):
                beyond |= {turns[k + 1].atoms[2], *turns[k + 1].moves}
            groups.append([turn.atoms[2], *(a for a in turn.moves if a in line_of and a not in beyond)])
        heading = _heading(receptor, residue)
        text, serial, written = _residue_block(groups, turns, line_of, heading, serial)
        flexible += text
        taken |= written
    rigid = [line for atom, line in line_of.items() if atom not in taken]
    return "\n".join(rigid) + "\n", "\n".join(flexible) + "\n"


def _heading(receptor: Receptor, residue: int) -> str:
    chain = str(receptor.chain_ids[residue])[:1] or "A"
    return f"{receptor.residue_names[residue]} {chain} {int(receptor.author_numbers[residue]) % 10000:>4d}"


def _residue_block(
    groups: list[list[int]], turns: list[_Turn], line_of: dict[int, str], heading: str, serial: int
) -> tuple[list[str], int, set[int]]:
    """Return the lines of one residue, the last serial used and the atoms written."""
    number: dict[int, int] = {}

    def atom_line(atom: int) -> str:
        nonlocal serial
        serial += 1
        number[atom] = serial
        return f"{line_of[atom][:6]}{serial:5d}{line_of[atom][11:]}"

    lines = [f"BEGIN_RES {heading}", "ROOT", *(atom_line(a) for a in groups[0]), "ENDROOT"]
    branches = []
    for turn, group in zip(turns, groups[1:], strict=True):
        start = number[turn.atoms[1]]
        body = [atom_line(a) for a in group]
        branch = f"{start:>3d} {number[turn.atoms[2]]:>3d}"
        branches.append(branch)
        lines += [f"BRANCH {branch}", *body]
    lines += [f"ENDBRANCH {branch}" for branch in reversed(branches)]
    return [*lines, f"END_RES {heading}"], serial, set(number)


def dock_flexible(
    receptor: Receptor,
    ligand: Ligand,
    residues: Sequence[int],
    box_center: Sequence[float],
    box_size: Sequence[float],
    settings: DockingSettings,
    seed: int,
    cpu: int,
) -> tuple[tuple[Pose, FloatArray], ...]:
    """Dock with AutoDock Vina, the side chains of some residues moving.

    Parameters
    ----------
    receptor, ligand, box_center, box_size, settings, seed, cpu
        See :func:`dockkit.docking.vina.dock`.
    residues : sequence of int
        Residue indices whose side chains move.

    Returns
    -------
    tuple of (Pose, (n_receptor_atoms, 3) float)
        Best score first; the receptor's coordinates with the side chains where the pose has them.

    Raises
    ------
    DockingError
        As :func:`dockkit.docking.vina.dock`, or a residue cannot move.
    """
    mol = ligand_mol(ligand)
    pdbqt, atom_of_serial = ligand_pdbqt(mol, ligand.name)
    rigid, flexible = split_receptor(receptor, residues)
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("rigid.pdbqt", "flexible.pdbqt")]
            for path, text in zip(paths, (rigid, flexible), strict=True):
                path.write_text(text, encoding="ascii")
            engine = Vina(sf_name="vina", cpu=cpu, seed=seed % (2**31 - 2) + 1, verbosity=0)
            engine.set_receptor(str(paths[0]), str(paths[1]))
        engine.set_ligand_from_string(pdbqt)
        engine.compute_vina_maps(center=list(box_center), box_size=list(box_size))
        engine.dock(
            exhaustiveness=settings.exhaustiveness * RUNS_PER_EXHAUSTIVENESS,
            n_poses=settings.n_poses,
            min_rmsd=MIN_POSE_RMSD,
            max_evals=EVALUATIONS_PER_RUN,
        )
        text = engine.poses(n_poses=settings.n_poses, energy_range=settings.energy_range_kcal_mol)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise DockingError(f"{ligand.name} in {receptor.name}: Vina failed ({error})") from error
    found = []
    for rank, model in enumerate(text.split("MODEL")[1:], start=1):
        own, _, rest = model.partition("BEGIN_RES")
        score, placed, known = read_poses(f"MODEL{own}", atom_of_serial, ligand.n_atoms)[0]
        xyz = rebuild_hydrogens(mol, placed, known)
        pose = Pose(ligand.name, receptor.name, xyz, engine="vina", score=score, rank=rank)
        found.append((pose, turned_receptor(receptor, residues, f"BEGIN_RES{rest}")))
    if not found:
        raise DockingError(f"{ligand.name} in {receptor.name}: Vina found no pose; the box may be too small or full")
    return tuple(found)


def turned_receptor(receptor: Receptor, residues: Sequence[int], text: str) -> FloatArray:
    """Return the receptor's coordinates with its side chains turned as in Vina's output, (n_atoms, 3).

    Parameters
    ----------
    receptor : Receptor
        As it was given to Vina.
    residues : sequence of int
        In the order of :func:`split_receptor`.
    text : str
        The BEGIN_RES blocks of one model.

    Raises
    ------
    DockingError
        The blocks are not those of these residues.
    """
    blocks = text.split("BEGIN_RES")[1:]
    if len(blocks) != len(residues):
        raise DockingError(f"{receptor.name}: Vina's output has {len(blocks)} moving residues, not {len(residues)}")
    xyz = np.array(receptor.coordinates)
    for residue, block in zip(residues, blocks, strict=True):
        names = {str(receptor.atom_names[a]): int(a) for a in receptor.atom_indices(residue)}
        target = {
            names[line[12:16].strip()]: np.array([float(line[k : k + 8]) for k in (30, 38, 46)])
            for line in block.splitlines()
            if line.startswith(("ATOM", "HETATM"))
        }
        for turn in _chis(receptor, residue):
            wanted = dihedral(*(target.get(a, xyz[a]) for a in turn.atoms))
            now = dihedral(*(xyz[a] for a in turn.atoms))
            moves = list(turn.moves)
            origin, end = xyz[turn.atoms[1]], xyz[turn.atoms[2]]
            xyz[moves] = rotate_about(xyz[moves], origin, end - origin, wanted - now)
        heavy = [a for a in target if receptor.elements[a] != "H"]
        off = max(float(np.linalg.norm(xyz[a] - target[a])) for a in heavy)
        if off > MAX_DEVIATION:
            raise DockingError(
                f"{receptor.name} {receptor.residue_names[residue]} {receptor.author_numbers[residue]}: Vina's side "
                f"chain is {off:.2f} A from every turn of this one; this is a bug, please report it"
            )
    return xyz
