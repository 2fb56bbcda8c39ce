"""Protonation states at a pH, histidine tautomers by hydrogen bonds, and the hydrogens themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.geometry import place_atom, unit_vector
from dockkit.core.hydrogens import HYDROXYLS, PolarCloud, polarity, residue_hydrogens, turn_hydroxyl
from dockkit.core.model import Change, FloatArray, HetGroup
from dockkit.core.residues import residue_templates
from dockkit.structure.flips import TAUTOMERS, change_of, choose_tautomers, complete
from dockkit.structure.hetero import CATIONS, partner_atoms
from dockkit.structure.repair import WorkResidue
from dockkit.structure.titration import Pka, side_chain_pkas

PKA: Final = {"ASP": 3.9, "GLU": 4.3, "HIS": 6.5, "CYS": 8.5, "LYS": 10.4}
"""Model pK_a of side chains in water (Thurlkill et al., Protein Sci. 2006, 15, 1214)."""

DEPROTONATED: Final = {"ASP": "HD2", "GLU": "HE2", "CYS": "HG", "LYS": "HZ1"}
"""The hydrogen that leaves above the pK_a."""

CHARGED_BELOW: Final = frozenset({"HIS", "LYS"})
UNCERTAIN: Final = 1.0
"""A state is called uncertain where its pK_a lies this near the pH: about PROPKA's own error."""

SALT_BRIDGE: Final = 4.0
"""A carboxylate oxygen and a lysine nitrogen nearer than this are a salt bridge (Barlow & Thornton, 1983), Angstrom."""

PROTON_SHARED: Final = 3.2
"""A carboxyl oxygen this near an oxygen that has no hydrogen to give holds a proton between them, Angstrom."""

METAL_BOND: Final = 2.8
COVALENT_BOND: Final = 2.1

CARBOXYL: Final = {"ASP": ("OD1", "OD2"), "GLU": ("OE1", "OE2")}
ACCEPTORS: Final = {"ASN": ("OD1",), "GLN": ("OE1",), **CARBOXYL}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a side chain has its titratable hydrogen, and what to say of it (nothing where it is as usual)."""

    protonated: bool
    what: str = ""
    why: str = ""


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
        ligands = [g for g in groups if len(g.elements) > 1]
        partners = [partner_atoms(g) for g in ligands]
        self.metals = np.concatenate([np.zeros((0, 3)), *metals])
        self.ligand_atoms = np.concatenate([np.zeros((0, 3)), *(g.coordinates for g in ligands)])
        self.ligand_acceptors = np.concatenate([np.zeros((0, 3)), *(p.xyz[p.charges <= -0.45] for p in partners)])
        rows = [
            (index, xyz)
            for index, residue in enumerate(residues)
            for name, xyz in residue.xyz.items()
            if name == "O" and len(residue.xyz) > 3 or name in ACCEPTORS.get(residue.name, ())
        ]
        self._acceptor_owners = np.array([row[0] for row in rows], dtype=np.int64)
        self._acceptors = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 3)

    def salt_bridge(self, index: int) -> str:
        """Return the label of an opposite charge within reach of a Lys, Asp or Glu, or ''."""
        residue = self.residues[index]
        own = ("NZ",) if residue.name == "LYS" else CARBOXYL.get(residue.name, ())
        for other in self.residues:
            theirs = CARBOXYL.get(other.name, ()) if residue.name == "LYS" else ("NZ",) * (other.name == "LYS")
            for a in own:
                for b in theirs:
                    if b in other.xyz and float(np.linalg.norm(residue.xyz[a] - other.xyz[b])) < SALT_BRIDGE:
                        return other.label
        return ""

    def proton_partner(self, index: int) -> tuple[str, float]:
        """Return which oxygen of a carboxyl group is nearest to an acceptor, and that distance in Angstrom."""
        residue = self.residues[index]
        others = np.concatenate([self._acceptors[self._acceptor_owners != index], self.ligand_acceptors])
        gaps = [(round(_nearest(residue.xyz[name], others), 3), name) for name in CARBOXYL[residue.name]]
        gap, name = min(gaps, key=lambda item: (item[0], item[1] == CARBOXYL[residue.name][0]))
        return name, gap

    def on_metal(self, index: int, atom: str) -> bool:
        """Tell whether an atom holds a metal ion."""
        return _nearest(self.residues[index].xyz[atom], self.metals) < METAL_BOND

    def on_ligand(self, index: int, atom: str) -> bool:
        """Tell whether an atom is bonded to a ligand."""
        return _nearest(self.residues[index].xyz[atom], self.ligand_atoms) < COVALENT_BOND


STATE_WORDS: Final = {
    "ASP": ("protonated (neutral)", "charged"),
    "GLU": ("protonated (neutral)", "charged"),
    "CYS": ("neutral", "deprotonated (thiolate)"),
    "LYS": ("charged", "neutral"),
    "HIS": ("doubly protonated (charged)", "neutral"),
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
    present, lacking = STATE_WORDS[name]
    by_model = ph < PKA[name]
    if name == "CYS" and near.on_metal(index, "SG"):
        return Decision(False, f"{lacking}: it holds a metal ion", "not by pKa")
    if name == "CYS" and near.on_ligand(index, "SG"):
        return Decision(True, "kept neutral: in the crystal it is bonded to a ligand", "no pKa computed")
    if pka is None:
        usual = name == "HIS" or by_model == USUAL[name]
        said = ("", "") if usual else (present if by_model else lacking, f"model pKa {PKA[name]}, pH {ph:g}")
        return Decision(by_model, *said)
    computed = ph < pka.value
    words = f"PROPKA {_margin_words(pka.value, ph)}" + (f"; {pka.reasons}" if pka.reasons else "")
    kept = _objection(index, residue, computed, by_model, pka, ph, near)
    if kept:
        return Decision(by_model, f"kept {present if by_model else lacking}: {kept}", words)
    expected = by_model if name == "HIS" else USUAL[name]
    uncertain = abs(pka.value - ph) < UNCERTAIN
    if computed == expected == by_model and not uncertain:
        return Decision(computed)
    return Decision(computed, present if computed else lacking, words)


def _objection(
    index: int, residue: WorkResidue, computed: bool, by_model: bool, pka: Pka, ph: float, near: Surroundings
) -> str:
    """Return why PROPKA's unusual state is not believed, or ''.

    It exaggerates what burial costs a charge; a charge is given up only where there is no salt bridge that pays for it
    and either the pK_a is decisive or, for an acid, an acceptor stands ready to take the proton.
    """
    if computed == by_model or residue.name == "HIS":
        return ""
    decisive = abs(pka.value - ph) >= UNCERTAIN
    if residue.name in ("ASP", "GLU", "LYS") and computed != USUAL[residue.name]:
        partner = near.salt_bridge(index)
        if partner:
            return f"salt bridge with {partner}"
    if residue.name in CARBOXYL and computed:
        _, gap = near.proton_partner(index)
        if gap < PROTON_SHARED:
            return ""
        return "" if decisive else "no acceptor near that would take the proton"
    if residue.name in ("LYS", "CYS") and not computed and not decisive:
        return "the computed pKa is too near the pH to tell"
    return ""


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


def assign_states(
    residues: list[WorkResidue],
    ph: float,
    bridged: set[int],
    *,
    groups: Sequence[HetGroup] = (),
    waters: Sequence[HetGroup] = (),
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

    Returns
    -------
    list of Change
        Every histidine; every other residue whose state is unusual, uncertain, or was kept against PROPKA; PROPKA's
        failure, if it fails.
    """
    pkas, changes = _computed(residues, groups, ph)
    near = Surroundings(residues, groups)
    states: dict[int, tuple[str, ...]] = {}
    decisions: dict[int, Decision] = {}
    for index, residue in enumerate(residues):
        if residue.name == "TYR" and index in pkas and pkas[index].value < ph:
            why = f"PROPKA {_margin_words(pkas[index].value, ph)}; ff14SB has no tyrosinate"
            changes.append(change_of(residue, "protonation", "kept neutral", why))
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
        if residue.name in CARBOXYL and decision.protonated:
            _put_proton(residue, near.proton_partner(index)[0])
        if decision.what:
            changes.append(change_of(residue, "protonation", decision.what, decision.why))
    chosen = choose_tautomers(residues, states, groups, waters) if states else {}
    for index, (state, gap) in chosen.items():
        residues[index].absent = TAUTOMERS[state]
        changes.append(_histidine_change(residues[index], state, gap, decisions[index]))
    return changes


def _histidine_change(residue: WorkResidue, state: str, gap: float, decision: Decision) -> Change:
    if state == "both":
        return change_of(residue, "protonation", "doubly protonated (charged)", decision.why)
    atom = "ND1" if state == "delta" else "NE2"
    bonds = f"hydrogen bonds prefer it by {gap:.1f} kcal/mol" if gap >= 1.0 else "hydrogen bonds hardly tell"
    why = bonds + (f"; {decision.why}" if decision.why else "")
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
