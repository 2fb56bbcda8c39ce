"""What changed between wild type and mutant, in sentences with numbers."""

from __future__ import annotations

import math

from dockkit.core.model import DynamicsComparison, Observable, ResidueMap

MINUS = "\N{MINUS SIGN}"
_MOST = 6
_SHOWN_ALONE = {
    "binding_energy", "ligand_rmsd", "pocket_rmsd", "hinge_bonds", "hinge_occupancy", "gatekeeper_contacts", "p_loop",
    "pocket_volume", "activation", "water_bridges", "lysine_glutamate_salt_bridge", "dfg_in", "dfg_out", "alpha_c_in",
    "salt_bridge_formed", "spine_assembled", "glutamate_to_dfg_phe_c_alpha",
}  # fmt: skip
_FRACTIONS = {"hinge_occupancy", "dfg_in", "dfg_out", "alpha_c_in", "salt_bridge_formed", "spine_assembled"}


def number(value: float, unit: str = "", *, sign: bool = False, digits: int = 2) -> str:
    """Return a number with its unit and a real minus sign; ``n/a`` where it is not finite."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return (text.replace("-", MINUS) + (f" {unit}" if unit else "")).strip()


def _digits(item: Observable) -> int:
    return 0 if item.unit == "Å³" else 2


def change_in_words(item: Observable) -> str:
    """Return one comparison: both means, the change, its interval, and what puts it in doubt."""
    d, unit = item.difference, "Å" if item.unit.startswith("Å") and item.unit != "Å³" else item.unit
    if item.name in _FRACTIONS:
        values = (f"{100 * v:.0f} %" for v in (d.wild_type.value, d.mutant.value))
        first, second = values
        span = f"{100 * d.low:+.0f} to {100 * d.high:+.0f}".replace("-", MINUS)
        return (
            f"{item.label} {first} of the time in the wild type, {second} in the mutant (95 % interval {span} points)"
        )
    digits = _digits(item)
    first, second = (number(v, digits=digits) for v in (d.wild_type.value, d.mutant.value))
    span = f"{number(d.low, sign=True, digits=digits)} to {number(d.high, sign=True, digits=digits)}"
    change = number(d.change.value, unit, sign=True, digits=digits)
    return f"{item.label} {first} in the wild type, {second} in the mutant: {change} (95 % interval {span})"


def _doubts(item: Observable) -> str:
    doubts = []
    if item.difference.control_called:
        doubts.append("the wild type's own replicas differ from each other as well")
    if any(item.difference.drift):
        doubts.append("it is still drifting")
    return f"; but {' and '.join(doubts)}" if doubts else ""


def _energy_sentence(item: Observable, ligand: str) -> str:
    d = item.difference
    value = f"{number(d.change.value, sign=True)} ± {number(d.change.sem)} kcal/mol"
    span = f"95 % interval {number(d.low, sign=True)} to {number(d.high, sign=True)}"
    control = f"wild type against itself {number(d.control.value, sign=True)} ± {number(d.control.sem)}"
    if not d.called:
        return f"{ligand}: no change of the binding energy beyond the error, {value} ({span}; {control})"
    verdict = "binds worse to the mutant" if d.change.value > 0 else "binds better to the mutant"
    return f"{ligand} {verdict}: {value} ({span}; {control}){_doubts(item)}"


def _activation_sentence(item: Observable) -> str:
    d = item.difference
    span = f"95 % interval {number(d.low, sign=True)} to {number(d.high, sign=True)}"
    value = number(d.change.value, sign=True)
    if not d.called:
        return f"the activation score does not change beyond the error: {value} ({span})"
    way = "towards" if d.change.value > 0 else "away from"
    return f"the mutation shifts the kinase {way} its active state: score {value} ({span}){_doubts(item)}"


def _map_sentence(residue_map: ResidueMap) -> str | None:
    called = [k for k in range(len(residue_map.residues)) if residue_map.called[k]]
    called.sort(key=lambda k: -abs(float(residue_map.change[k])))
    if not called:
        return None
    parts = []
    for k in called[:_MOST]:
        kind = f" {residue_map.kinds[k]}" if residue_map.kinds[k] else ""
        if residue_map.name == "interactions":
            shares = f"{100 * residue_map.wild_type[k]:.0f} to {100 * residue_map.mutant[k]:.0f} %"
            parts.append(f"{residue_map.labels[k]}{kind} {shares}")
        else:
            parts.append(f"{residue_map.labels[k]} {number(float(residue_map.change[k]), residue_map.unit, sign=True)}")
    more = f" and {len(called) - _MOST} more" if len(called) > _MOST else ""
    return (
        f"{residue_map.label}, {len(called)} of {len(residue_map.residues)} differ at a false discovery rate of 5 %: "
        f"{', '.join(parts)}{more}"
    )


def length_in_words(result: DynamicsComparison) -> str | None:
    """Return how long would be long enough for the binding energy, None where there is none."""
    c = result.convergence
    if c is None or not math.isfinite(c.needed_ps):
        return None
    now = f"{c.projected[-1]:.2f} kcal/mol with {c.length_ps[-1]:g} ps"
    if c.needed_ps <= c.length_ps[-1]:
        return f"the standard error of ddG is {now}: the runs are long enough for {c.target:g} kcal/mol"
    tail = "; replicas disagree beyond their own fluctuation, so take more replicas rather than longer ones"
    wanted = f"{c.target:g} kcal/mol would take {c.needed_ps:.0f} ps of each replica, or {c.needed_replicas} replicas"
    return f"the standard error of ddG is {now}; {wanted} of this length{tail if c.replicas_disagree else ''}"


def what_changed(result: DynamicsComparison) -> tuple[str, ...]:
    """Return what changed in one leg, most important first, and what did not.

    Parameters
    ----------
    result : DynamicsComparison

    Returns
    -------
    tuple of str
        Sentences without a full stop.
    """
    out = []
    energy, score = result.observable("binding_energy"), result.observable("activation")
    if energy is not None:
        out.append(_energy_sentence(energy, result.ligand))
    if score is not None:
        out.append(_activation_sentence(score))
    plain = [o for o in result.observables if o.name in _SHOWN_ALONE and o.name not in ("binding_energy", "activation")]
    out += [change_in_words(item) + _doubts(item) for item in plain if item.difference.called]
    out += [sentence for sentence in (_map_sentence(item) for item in result.maps) if sentence]
    same = [item.label for item in plain if not item.difference.called]
    if same:
        out.append(f"no change beyond the error: {', '.join(same)}")
    length = length_in_words(result)
    return (*out, length) if length else tuple(out)
