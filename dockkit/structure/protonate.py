"""Protonation states at a pH, histidine tautomers by hydrogen bonds, and the hydrogens themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import place_atom, unit_vector
from dockkit.core.hydrogens import HYDROXYLS, PolarCloud, polarity, residue_hydrogens, turn_hydroxyl
from dockkit.core.model import Change, FloatArray, HetGroup, IntArray
from dockkit.core.residues import residue_templates
from dockkit.structure.flips import TAUTOMERS, change_of, choose_tautomers, complete
from dockkit.structure.hetero import CATIONS, partner_atoms
from dockkit.structure.repair import WorkResidue
from dockkit.structure.titration import Pka, side_chain_pkas

PKA: Final = {"ASP": 3.9, "GLU": 4.3, "HIS": 6.5, "CYS": 8.5, "LYS": 10.4}
"""Model pK_a of side chains in water (Thurlkill et al., Protein Sci. 2006, 15, 1214)."""

DEPROTONATED: Final = {"ASP": "HD2", "GLU": "HE2", "CYS": "HG", "LYS": "HZ1"}
"""The hydrogen that leaves above the pK_a."""

UNCERTAIN: Final = 1.0
"""A state is called uncertain where its pK_a lies this near the pH: about PROPKA's own error."""

SALT_BRIDGE: Final = 4.0
"""A carboxylate oxygen and a lysine nitrogen nearer than this are a salt bridge (Barlow & Thornton, 1983), Angstrom."""

PROTON_SHARED: Final = 3.0
"""A carboxyl oxygen this near an oxygen that has no hydrogen to give holds a proton between them, Angstrom."""

BURIED_MARGIN: Final = 2.0
"""pK units above the pH that burial alone must ask for before an acid is made neutral: it is what PROPKA overdoes."""

HYDROGEN_BOND: Final = 3.3
"""Longest distance of donor and acceptor counted, Angstrom."""

METAL_BOND: Final = 2.8
COVALENT_BOND: Final = 2.1

CARBOXYL: Final[dict[str, tuple[str, ...]]] = {"ASP": ("OD1", "OD2"), "GLU": ("OE1", "OE2")}
CATIONIC: Final[dict[str, tuple[str, ...]]] = {"LYS": ("NZ",), "ARG": ("NE", "NH1", "NH2")}
ACCEPTORS: Final = {"ASN": ("OD1",), "GLN": ("OE1",), **CARBOXYL}
DONORS: Final = {"ASN": ("ND2",), "GLN": ("NE2",), "TRP": ("NE1",), **CATIONIC}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a side chain has its titratable hydrogen.

    Parameters
    ----------
    protonated : bool
    why : str
        Empty where the state is the usual one and nothing speaks against it.
    kept : str
        Why the computed state was not taken; empty where it was.
    """

    protonated: bool
    why: str = ""
    kept: str = ""


def _nearest(point: FloatArray, cloud: FloatArray) -> float:
    return float(np.sqrt(((cloud - point) ** 2).sum(axis=1).min())) if len(cloud) else float("inf")


class Surroundings:
    """Charges and acceptors that a titratable group meets: what PROPKA's answer is held against.

    Parameters
    ----------
    residues : sequence of WorkResidue
    groups : sequence of HetGroup
    """

    def __init__(self, residues: Sequence[WorkResidue], groups: Sequence[HetGroup]) -> None:
        self.residues = residues
        metals = [g.coordinates for g in groups if len(g.elements) == 1 and str(g.elements[0]).upper() in CATIONS]
        metals += [
            np.array(list(r.xyz.values()))
            for r in residues
            if len(r.xyz) == 1 and next(iter(r.xyz)).upper().strip("+0123456789") in CATIONS
        ]
        self.ligands = [g for g in groups if len(g.elements) > 1]
        partners = [partner_atoms(g) for g in self.ligands]
        self.metals = np.concatenate([np.zeros((0, 3)), *metals])
        self.ligand_acceptors = np.concatenate([np.zeros((0, 3)), *(p.xyz[p.charges <= -0.45] for p in partners)])
        self._acceptors, self._acceptor_owners = self._polar("O", ACCEPTORS)
        self._donors, _ = self._polar("N", DONORS)

    def _polar(self, main: str, side: Mapping[str, tuple[str, ...]]) -> tuple[FloatArray, IntArray]:
        """Return the main-chain and side-chain atoms of one role, and the residue of each."""
        rows = [
            (index, xyz)
            for index, residue in enumerate(self.residues)
            for name, xyz in residue.xyz.items()
            if name in side.get(residue.name, ())
            or name == main
            and len(residue.xyz) > 3
            and (residue.name, name) != ("PRO", "N")
        ]
        points = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 3)
        return points, np.array([row[0] for row in rows], dtype=np.int64)

    def salt_bridge(self, index: int) -> str:
        """Return the label of an opposite charge within reach of a Lys, Asp or Glu, or ''."""
        residue = self.residues[index]
        own = CARBOXYL.get(residue.name, ("NZ",))
        partners = CATIONIC if residue.name in CARBOXYL else CARBOXYL
        for other in self.residues:
            points = [other.xyz[name] for name in partners.get(other.name, ()) if name in other.xyz]
            if points and min(_nearest(residue.xyz[name], np.array(points)) for name in own) < SALT_BRIDGE:
                return other.label
        return ""

    def proton_partner(self, index: int) -> tuple[str, float]:
        """Return which oxygen of a carboxyl group is nearest to an acceptor, and that distance in Angstrom."""
        residue = self.residues[index]
        first, second = CARBOXYL[residue.name]
        others = np.concatenate([self._acceptors[self._acceptor_owners != index], self.ligand_acceptors])
        gaps = {name: round(_nearest(residue.xyz[name], others), 3) for name in (second, first)}
        name = min(gaps, key=lambda oxygen: gaps[oxygen])
        return name, gaps[name]

    def hydrogen_bonds(self, index: int) -> int:
        """Return how many donors that cannot be acceptors a carboxyl group has within reach."""
        points = np.array([self.residues[index].xyz[name] for name in CARBOXYL[self.residues[index].name]])
        gaps = np.linalg.norm(self._donors[:, None] - points[None], axis=-1).min(axis=1)
        return int((gaps < HYDROGEN_BOND).sum())

    def takes_two(self, index: int) -> bool:
        """Tell whether both ring nitrogens of a histidine have an acceptor within reach."""
        others = np.concatenate([self._acceptors[self._acceptor_owners != index], self.ligand_acceptors])
        return all(_nearest(self.residues[index].xyz[name], others) < HYDROGEN_BOND for name in ("ND1", "NE2"))

    def on_metal(self, index: int, atom: str) -> bool:
        """Tell whether an atom holds a metal ion."""
        return _nearest(self.residues[index].xyz[atom], self.metals) < METAL_BOND

    def on_ligand(self, index: int, atom: str) -> str:
        """Return the label of a ligand that an atom is bonded to, or ''."""
        point = self.residues[index].xyz[atom]
        return next((g.label for g in self.ligands if _nearest(point, g.coordinates) < COVALENT_BOND), "")


STATE_WORDS: Final = {
    "ASP": ("protonated, neutral", "charged"),
    "GLU": ("protonated, neutral", "charged"),
    "CYS": ("neutral", "thiolate, charged"),
    "LYS": ("charged", "neutral"),
}
"""What having and lacking the titratable hydrogen is called."""

USUAL: Final = {"ASP": False, "GLU": False, "CYS": True, "LYS": True}
"""Whether the titratable hydrogen is there near pH 7."""


def _margin_words(value: float, ph: float) -> str:
    side = "above" if value > ph else "below"
    near = "; within 1 of it, uncertain" if abs(value - ph) < UNCERTAIN else ""
    return f"pKa {value:.1f} {side} pH {ph:g}{near}"


def _decide(index: int, residue: WorkResidue, pka: Pka | None, ph: float, near: Surroundings) -> Decision:
    """Decide one Asp, Glu, Cys, Lys or His."""
    name = residue.name
    by_model = ph < PKA[name]
    if name == "CYS" and near.on_metal(index, "SG"):
        return Decision(False, "its sulfur holds a metal ion")
    if name == "CYS" and (ligand := near.on_ligand(index, "SG")):
        return Decision(True, f"its sulfur is bonded to {ligand} in the crystal: no pKa computed")
    usual = by_model if name == "HIS" else USUAL[name]
    if pka is None:
        return Decision(by_model, "" if by_model == usual else f"model pKa {PKA[name]}, pH {ph:g}")
    computed = ph < pka.value
    words = f"PROPKA {_margin_words(pka.value, ph)}" + (f"; {pka.reasons}" if pka.reasons else "")
    kept = _objection(index, residue, computed, by_model, pka, ph, near)
    if kept:
        return Decision(by_model, words, kept)
    plain = computed == usual == by_model and abs(pka.value - ph) >= UNCERTAIN
    return Decision(computed, "" if plain else words)


def _objection(
    index: int, residue: WorkResidue, computed: bool, by_model: bool, pka: Pka, ph: float, near: Surroundings
) -> str:
    """Return why PROPKA's unusual state is not believed, or ''.

    PROPKA exaggerates what burial costs a charge. An acid gives its charge up only where no salt bridge and no pair of
    donors pays for it and an acceptor stands ready for the proton, or the pK_a is far from the pH; Lys and Cys change
    only where the pK_a is decisive; His takes a proton near the pH only where both nitrogens have an acceptor.
    """
    if computed == by_model:
        return ""
    margin = abs(pka.value - ph)
    if residue.name == "HIS":
        if computed and any(near.on_metal(index, name) for name in ("ND1", "NE2")):
            return "a ring nitrogen holds a metal ion"
        return "" if not computed or margin >= UNCERTAIN or near.takes_two(index) else "no acceptor for two hydrogens"
    if computed == USUAL[residue.name]:
        return ""
    if residue.name != "CYS" and (partner := near.salt_bridge(index)):
        return f"salt bridge with {partner}"
    if residue.name not in CARBOXYL:
        return "the computed pKa is too near the pH to tell" if margin < UNCERTAIN else ""
    bonds, shared = near.hydrogen_bonds(index), near.proton_partner(index)[1] < PROTON_SHARED
    if bonds >= 2 and not (shared and margin >= UNCERTAIN):
        return f"it takes {bonds} hydrogen bonds"
    return "" if shared or margin >= BURIED_MARGIN else "no acceptor near that would take the proton"


def _put_proton(residue: WorkResidue, oxygen: str) -> None:
    """Name the oxygens of a protonated carboxyl group so that the second one has the hydrogen."""
    first, second = CARBOXYL[residue.name]
    if oxygen == first:
        residue.xyz[first], residue.xyz[second] = residue.xyz[second], residue.xyz[first]


def _computed(
    residues: list[WorkResidue], groups: Sequence[HetGroup], ph: float
) -> tuple[dict[int, Pka], list[Change]]:
    try:
        return side_chain_pkas(residues, groups), []
    except Exception as error:  # PROPKA raises whatever its parser meets; preparation goes on with model values
        why = f"PROPKA failed: {type(error).__name__}: {error}"
        return {}, [Change("protonation", f"states at pH {ph:g} from model pKa values, not from the structure", why)]


def _by_model(ph: float) -> Change:
    return Change("protonation", f"states at pH {ph:g} from model pKa values, not from the structure", "as asked")


def assign_states(
    residues: list[WorkResidue],
    ph: float,
    bridged: set[int],
    *,
    groups: Sequence[HetGroup] = (),
    waters: Sequence[HetGroup] = (),
    method: Literal["propka", "model"] = "propka",
) -> list[Change]:
    """Decide which titratable hydrogens are absent.

    Asp, Glu, Cys, Lys and His follow the pK_a that PROPKA computes in the structure with the ligands and metals that
    are part of it. Where that asks for an unusual state, it is held against the surroundings (the changes say why).
    A neutral histidine's tautomer follows from the hydrogen-bond network. Tyr stays neutral and Arg charged: the force
    field has no other state of them. Call after flips, with all heavy atoms there.

    Parameters
    ----------
    residues : list of WorkResidue
        Changed in place: ``absent``; the oxygens of a protonated acid may swap names. Unknown names are passed over.
    ph : float
    bridged : set of int
        Cysteines in disulfides.
    groups : sequence of HetGroup
        Ligands and metals that stay.
    waters : sequence of HetGroup
        Near the chain.
    method : {"propka", "model"}
        ``model`` takes the pK_a of free residues in water.

    Returns
    -------
    list of Change
        Every histidine; every other residue whose state is unusual, uncertain, or was kept against PROPKA; PROPKA's
        failure, if it fails.
    """
    pkas, failure = _computed(residues, groups, ph) if method == "propka" else ({}, [_by_model(ph)])
    found: list[tuple[int, Change]] = []
    near = Surroundings(residues, groups)
    states: dict[int, tuple[str, ...]] = {}
    decisions: dict[int, Decision] = {}
    for index, residue in enumerate(residues):
        if residue.name == "TYR" and index in pkas and pkas[index].value < ph:
            why = f"PROPKA {_margin_words(pkas[index].value, ph)}; ff14SB has no tyrosinate"
            found.append((index, change_of(residue, "protonation", "kept neutral", why)))
        if residue.name not in PKA or not complete(residue):
            continue
        if index in bridged:
            residue.absent = frozenset({"HG"})
            continue
        decision = decisions[index] = _decide(index, residue, pkas.get(index), ph, near)
        if residue.name == "HIS":
            states[index] = ("both",) if decision.protonated else ("epsilon", "delta")
            continue
        residue.absent = frozenset() if decision.protonated else frozenset({DEPROTONATED[residue.name]})
        why = decision.why
        if residue.name in CARBOXYL and decision.protonated:
            oxygen, gap = near.proton_partner(index)
            _put_proton(residue, oxygen)
            why += f"; nearest acceptor at {gap:.1f} A"
        if why:
            state = STATE_WORDS[residue.name][0 if decision.protonated else 1]
            what = f"kept {state}: {decision.kept}" if decision.kept else state
            found.append((index, change_of(residue, "protonation", what, why)))
    chosen = choose_tautomers(residues, states, groups, waters) if states else {}
    for index, (tautomer, lead) in chosen.items():
        residues[index].absent = TAUTOMERS[tautomer]
        found.append((index, _histidine_change(residues[index], tautomer, lead, decisions[index])))
    return failure + [change for _, change in sorted(found, key=lambda item: item[0])]


def _histidine_change(residue: WorkResidue, state: str, gap: float, decision: Decision) -> Change:
    if state == "both":
        why = decision.why or "pH well below its pKa"
        return change_of(residue, "protonation", "doubly protonated, charged", why)
    atom = "ND1" if state == "delta" else "NE2"
    bonds = f"hydrogen bonds prefer it by {gap:.1f} kcal/mol" if gap >= 1.0 else "hydrogen bonds hardly tell"
    why = "; ".join(part for part in (bonds, decision.kept, decision.why) if part)
    return change_of(residue, "protonation", f"neutral, {state} tautomer (hydrogen on {atom})", why)


def _cap_hydrogens(cap: WorkResidue, neighbour: WorkResidue) -> dict[str, FloatArray]:
    """Return the hydrogens of ACE or NME."""
    x = cap.xyz
    placed: dict[str, FloatArray] = {}
    if cap.name == "NME":
        placed["H"] = x["N"] - 1.01 * unit_vector(
            unit_vector(x["C"] - x["N"]) + unit_vector(neighbour.xyz["C"] - x["N"])
        )
        frame = (neighbour.xyz["C"], x["N"], x["C"])
    else:
        frame = (neighbour.xyz["N"], x["C"], x["CH3"])
    for number, torsion in enumerate((180.0, 60.0, -60.0), start=1):
        placed[f"H{number}"] = place_atom(*frame, 1.09, 109.5, torsion)
    return placed


def add_hydrogens(residues: list[WorkResidue]) -> None:
    """Place every hydrogen, then turn hydroxyl and thiol hydrogens to their best hydrogen bond. Changes in place."""
    heavy = [dict(residue.xyz) for residue in residues]
    for index, residue in enumerate(residues):
        before = residues[index - 1] if index and residues[index - 1].segment == residue.segment else None
        if residue.name == "ACE":
            placed = _cap_hydrogens(residue, residues[index + 1])
        elif residue.name == "NME":
            placed = _cap_hydrogens(residue, residues[index - 1])
        else:
            previous_c = before.xyz["C"] if before is not None else None
            placed = residue_hydrogens(residue_templates()[residue.name], heavy[index], previous_c, residue.absent)
        residue.xyz = {**heavy[index], **placed}
    turn_all_hydroxyls(residues)


def turn_all_hydroxyls(residues: list[WorkResidue]) -> None:
    """Turn every hydroxyl and thiol hydrogen, in chain order. Changes in place."""
    keys = [(index, name) for index, residue in enumerate(residues) for name in residue.xyz]
    row = {key: number for number, key in enumerate(keys)}
    cloud = PolarCloud(
        np.array([residues[index].xyz[name] for index, name in keys]),
        np.array([polarity(residues[index].name, name, residues[index].absent) for index, name in keys]),
        np.array([name.startswith("H") for _, name in keys]),
    )
    tree = cKDTree(cloud.coordinates)
    for index, residue in enumerate(residues):
        hydroxyl = HYDROXYLS.get(residue.name)
        if hydroxyl is None or hydroxyl[2] not in residue.xyz:
            continue
        own = {row[index, name] for name in hydroxyl}
        near = [i for i in tree.query_ball_point(residue.xyz[hydroxyl[1]], 6.0) if i not in own]
        turned = turn_hydroxyl(residue.name, residue.xyz, cloud.take(np.array(sorted(near))))
        cloud.coordinates[row[index, hydroxyl[2]]] = residue.xyz[hydroxyl[2]] = turned
