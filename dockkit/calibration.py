"""From the physical ddG to the one to expect: shrinkage, predictive error, confidence and probability of resistance.

The expected ddG of one mutation with one inhibitor is

    expected = slope_positive max(ddG, 0) + slope_negative min(ddG, 0) + offset n exp(-d / length)

and its predictive distribution Student's t around it with the scale

    scale = widening sqrt(floor^2 + (near exp(-d / length))^2 + (charged |dq|)^2 + standard error^2)

where ``d`` is the distance from the mutated residue to the ligand, ``n`` is 1 (0 where nothing is mutated) and ``dq``
the change of charge; where there is one, ``slope_charged`` multiplies both slopes. The offset says that a change beside
an inhibitor which was made for the wild type costs affinity more often than it gains any. The parameters, what they
were fitted on, and what they are worth on drugs that the fit did not see are in ``core/data/calibration.json``, written
by ``benchmarks/fit_calibration.py``.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.stats import t as student

from dockkit.core.errors import EnergyError
from dockkit.core.model import ComplexState, Estimate, FloatArray, IntArray
from dockkit.core.units import thermal_energy

WITHIN: Final = 1.0
"""kcal/mol: confidence is the probability that the measured value lies this close to the calibrated one."""

LEVELS: Final = (("high", 0.8), ("medium", 0.6), ("low", 0.0))
"""Words for a confidence, each from this value upwards."""

PARAMETERS: Final = (
    "slope_positive", "slope_negative", "slope_charged", "offset", "length", "floor", "near", "charged", "degrees",
)  # fmt: skip
"""What the data file gives numbers for: ``length`` in Angstrom, slopes and ``degrees`` bare, the others in kcal/mol."""

_RADII: Final = {"C": 1.70, "N": 1.55, "O": 1.52, "S": 1.80, "P": 1.80, "F": 1.47, "CL": 1.75, "BR": 1.85, "I": 1.98}
_POLAR: Final = ("N", "O")
_CHARGES: Final = {"ARG": 1, "LYS": 1, "ASP": -1, "GLU": -1, "SEP": -2, "TPO": -2, "PTR": -2}
_OVERLAP_ALLOWED = 0.4
_HYDROGEN_BOND_ALLOWED = 1.0


@dataclass(frozen=True, slots=True)
class Features:
    """What is known about one prediction before it is calibrated.

    Parameters
    ----------
    ddg : Estimate
        Physical ddG of binding, kcal/mol.
    distance_angstrom : float
        Shortest distance from a heavy atom of the mutated residue(s) to any atom of the ligand, wild type or mutant;
        infinite where nothing is mutated.
    charge_change : int
        Formal charge of the mutant less that of the wild type, e.
    n_sites : int
        Residues that differ.
    overlap_angstrom : float
        Largest overlap of van der Waals spheres left at the mutated side chain, beyond 0.4 A (1.0 A between N and O).
    wild_type_spread : float
        Weighted standard deviation of the wild type's binding energy over its geometries, kcal/mol; NaN for one.
    kinase : str
        Gene.
    modelled, docked : bool
        Whether the structure is a model, and the pose not a crystal's.
    recipe : str
        Tag of the settings and versions behind ``ddg``; empty: not compared.
    """

    ddg: Estimate
    distance_angstrom: float
    charge_change: int = 0
    n_sites: int = 1
    overlap_angstrom: float = 0.0
    wild_type_spread: float = float("nan")
    kinase: str = ""
    modelled: bool = False
    docked: bool = False
    recipe: str = ""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibrated prediction.

    Parameters
    ----------
    value, error : float
        Expected ddG and the standard deviation of its predictive distribution, kcal/mol.
    scale, degrees : float
        Scale (kcal/mol) and degrees of freedom of that distribution, Student's t.
    confidence : float
        Probability that the measured value lies within :data:`WITHIN` of ``value``.
    flags : tuple of str
        Why the error was widened, and what is outside what the calibration saw.
    """

    value: float
    error: float
    scale: float
    degrees: float
    confidence: float
    flags: tuple[str, ...] = field(default_factory=tuple)

    @property
    def level(self) -> str:
        """``high``, ``medium`` or ``low``."""
        return confidence_level(self.confidence)

    def probability_above(self, ddg_kcal_mol: float) -> float:
        """Return the probability that the truth is above this ddG."""
        return float(student.sf((ddg_kcal_mol - self.value) / self.scale, self.degrees))


def confidence_level(confidence: float) -> str:
    """Return the word for a confidence; empty where it is not known."""
    if not math.isfinite(confidence):
        return ""
    return next(word for word, least in LEVELS if confidence >= least)


# ------------------------------------------------------------------------------------------------ parameters


@functools.cache
def calibration_record() -> dict[str, Any]:
    """Return the shipped calibration: parameters, ranges, provenance and scores.

    Raises
    ------
    EnergyError
        The installation lacks the file, or a parameter is missing in it.
    """
    path = files("dockkit.core") / "data" / "calibration.json"
    if not path.is_file():
        raise EnergyError(
            "core/data/calibration.json is missing; install dockkit again or run benchmarks/fit_calibration.py"
        )
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    missing = [name for name in PARAMETERS if name not in record.get("parameters", {})]
    if missing:
        raise EnergyError(f"core/data/calibration.json lacks {', '.join(missing)}; run benchmarks/fit_calibration.py")
    return record


def without_group(record: Mapping[str, Any], drug: str, kinase: str = "") -> dict[str, Any]:
    """Return the record with the parameters of the fit that did not see a drug (or, failing that, a kinase).

    Parameters
    ----------
    record : mapping
        From :func:`calibration_record`.
    drug, kinase : str
        As named in the fitted tables.

    Returns
    -------
    dict
        The record itself where neither was among the fitted points: nothing has to be left out then.
    """
    folds = record.get("left_out", {})
    for key in (f"drug {drug.lower()}", f"kinase {kinase}"):
        if key in folds:
            return {**record, "parameters": folds[key]}
    return dict(record)


def expected(
    parameters: Mapping[str, float], ddg: ArrayLike, distance: ArrayLike, charge_change: ArrayLike
) -> FloatArray:
    """Return the calibrated ddG (module docstring).

    Parameters
    ----------
    parameters : mapping
        :data:`PARAMETERS`.
    ddg : (n,) float
        Physical ddG, kcal/mol.
    distance : (n,) float
        Angstrom; infinite where nothing is mutated.
    charge_change : (n,) int
        e.

    Returns
    -------
    (n,) float
        kcal/mol.
    """
    x, d, q = (np.asarray(values, dtype=float) for values in (ddg, distance, charge_change))
    damping = np.where(q != 0, parameters["slope_charged"], 1.0)
    shrunk = parameters["slope_positive"] * np.maximum(x, 0.0) + parameters["slope_negative"] * np.minimum(x, 0.0)
    return np.asarray(damping * shrunk + parameters["offset"] * np.exp(-d / parameters["length"]))


def predictive_scale(
    parameters: Mapping[str, float], distance: ArrayLike, charge_change: ArrayLike, sem: ArrayLike = 0.0
) -> FloatArray:
    """Return the scale of the predictive distribution (module docstring), kcal/mol; arguments as in :func:`expected`.

    ``sem`` is the standard error of the physical ddG; NaN counts as 0.
    """
    d, q = np.asarray(distance, dtype=float), np.asarray(charge_change, dtype=float)
    near = parameters["near"] * np.exp(-d / parameters["length"])
    noise = np.nan_to_num(np.asarray(sem, dtype=float), nan=0.0)
    return np.asarray(np.sqrt(parameters["floor"] ** 2 + near**2 + (parameters["charged"] * np.abs(q)) ** 2 + noise**2))


# ---------------------------------------------------------------------------------------------- calibration


def calibrate(features: Features, record: Mapping[str, Any] | None = None) -> Calibrated:
    """Return the calibrated ddG of one prediction.

    Parameters
    ----------
    features : Features
        The prediction.
    record : mapping, optional
        Calibration to use; the shipped one by default.

    Returns
    -------
    Calibrated
        Outside what the calibration was fitted on the flags say so and the error is widened by the factors under
        ``widening`` of the record (each flag once, multiplied).

    Raises
    ------
    EnergyError
        ``ddg`` is not finite.
    """
    if not math.isfinite(features.ddg.value):
        raise EnergyError("a ddG that is not finite cannot be calibrated; see the row's message for what failed")
    used = calibration_record() if record is None else record
    parameters: Mapping[str, float] = used["parameters"]
    where = ([features.distance_angstrom], [features.charge_change])
    value = float(expected(parameters, [features.ddg.value], *where)[0])
    scale = float(predictive_scale(parameters, *where, [features.ddg.sem])[0])
    reasons = _reasons(features, used)
    scale *= math.prod(factor for factor, _ in reasons)
    degrees = float(parameters["degrees"])
    confidence = float(1.0 - 2.0 * student.sf(WITHIN / scale, degrees))
    return Calibrated(
        value, scale * _deviation(degrees), scale, degrees, confidence, tuple(text for _, text in reasons)
    )


def _reasons(features: Features, record: Mapping[str, Any]) -> list[tuple[float, str]]:
    """Return widening factors with what each is for."""
    ranges, factors = record["fitted_range"], record["widening"]
    low, high = ranges["ddg_kcal_mol"]
    spread = features.wild_type_spread
    kinases: Sequence[str] = ranges["kinases"]
    found = [
        (
            not low <= features.ddg.value <= high,
            "range",
            f"ddG {features.ddg.value:+.1f} is outside the fitted {low:+.1f} to {high:+.1f} kcal/mol",
        ),
        (
            abs(features.charge_change) > ranges["charge_change"],
            "charge",
            f"charge change {features.charge_change:+d} e, none above {ranges['charge_change']} was fitted",
        ),
        (features.n_sites > ranges["n_sites"], "sites", f"{features.n_sites} residues differ"),
        (
            bool(features.kinase) and features.kinase not in kinases,
            "kinase",
            f"{features.kinase} is not among the fitted kinases ({', '.join(kinases)})",
        ),
        (
            bool(features.recipe) and features.recipe != record.get("recipe", features.recipe),
            "recipe",
            "calibrated for other settings or another version of the energies",
        ),
        (features.modelled, "modelled", "modelled structure"),
        (features.docked, "docked", "docked pose"),
        (
            features.overlap_angstrom > 0,
            "clash",
            f"the mutated side chain overlaps by {features.overlap_angstrom:.1f} A",
        ),
        (
            spread > ranges["wild_type_spread"],
            "spread",
            f"wild type varies by {spread:.1f} kcal/mol over its geometries",
        ),
    ]
    return [(float(factors[key]), text) for holds, key, text in found if holds]


def resistance_probability(
    inhibitor: Calibrated,
    *,
    shift: float = 0.0,
    shift_error: float = 0.0,
    fold: float = 10.0,
    temperature_kelvin: float,
) -> float:
    """Return the probability that the fold change exceeds ``fold``.

    Parameters
    ----------
    inhibitor : Calibrated
        The inhibitor half.
    shift : float
        What ATP adds to the effective ddG, kcal/mol (0 without competition).
    shift_error : float
        Its standard error; widens the distribution.
    fold : float
        Fold change of IC50 above which the mutant is called resistant.
    temperature_kelvin : float
        For RT ln(fold).
    """
    value, error = expected_effective(inhibitor, shift=shift, shift_error=shift_error)
    threshold = thermal_energy(temperature_kelvin) * math.log(fold)
    return float(chance_above(value, error, threshold, degrees=inhibitor.degrees))


def expected_effective(inhibitor: Calibrated, *, shift: float = 0.0, shift_error: float = 0.0) -> tuple[float, float]:
    """Return the effective ddG to expect, ATP's part included, and the standard deviation of its distribution.

    Parameters
    ----------
    inhibitor, shift, shift_error
        As in :func:`resistance_probability`.

    Returns
    -------
    value, error : float
        kcal/mol; the error is NaN where the distribution has none (two degrees of freedom or fewer).
    """
    scale = math.hypot(inhibitor.scale, shift_error if math.isfinite(shift_error) else 0.0)
    return inhibitor.value + shift, scale * _deviation(inhibitor.degrees)


def _deviation(degrees: float) -> float:
    return math.sqrt(degrees / (degrees - 2.0)) if degrees > 2 else float("nan")


def chance_above(value: ArrayLike, error: ArrayLike, threshold: float, *, degrees: float | None = None) -> FloatArray:
    """Return the probability that the truth lies above a threshold.

    Parameters
    ----------
    value, error : (...) float
        Of :func:`expected_effective`, kcal/mol.
    threshold : float
        kcal/mol.
    degrees : float, optional
        Of Student's t; default the shipped calibration's.

    Returns
    -------
    (...) float
        0 to 1; NaN where the value is NaN.
    """
    freedom = float(calibration_record()["parameters"]["degrees"]) if degrees is None else degrees
    scale = np.asarray(error, dtype=float) / _deviation(freedom)
    chance: FloatArray = np.asarray(student.sf((threshold - np.asarray(value, dtype=float)) / scale, freedom))
    return chance


# ------------------------------------------------------------------------------------------------- features


def measure_features(
    wild_type: ComplexState,
    mutant: ComplexState,
    ddg: Estimate,
    *,
    kinase: str = "",
    modelled: bool = False,
    docked: bool = False,
    recipe: str = "",
) -> Features:
    """Return the features of one prediction from its two relaxed states.

    Parameters
    ----------
    wild_type, mutant : ComplexState
        Along one path: the same residues in the same order.
    ddg : Estimate
        Their difference, kcal/mol.
    kinase, modelled, docked, recipe
        As in :class:`Features`.

    Raises
    ------
    EnergyError
        The states do not hold the same residues.
    """
    names = (wild_type.receptor.residue_names, mutant.receptor.residue_names)
    if len(names[0]) != len(names[1]):
        raise EnergyError(f"{mutant.variant} with {mutant.ligand}: the two states do not hold the same residues")
    sites = np.flatnonzero(names[0] != names[1])
    return Features(
        ddg=ddg,
        distance_angstrom=min(_distance(state, sites) for state in (wild_type, mutant)),
        charge_change=sum(_charge(mutant, i) - _charge(wild_type, i) for i in sites.tolist()),
        n_sites=len(sites),
        overlap_angstrom=_overlap(mutant, sites),
        wild_type_spread=_spread(wild_type),
        kinase=kinase,
        modelled=modelled,
        docked=docked,
        recipe=recipe,
    )


def _spread(state: ComplexState) -> float:
    """Return the weighted standard deviation of a state's binding energies over its geometries."""
    sums = state.terms.sum(axis=1)
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(state.weights @ (sums - state.weights @ sums) ** 2))


def _heavy(state: ComplexState) -> NDArray[np.bool_]:
    return np.asarray(state.receptor.elements != "H")


def _distance(state: ComplexState, sites: IntArray) -> float:
    """Return the distance to the ligand; its hydrogens, which carry no element here, are among its atoms."""
    chosen = np.isin(state.receptor.atom_residue, sites) & _heavy(state)
    if not chosen.any():
        return float("inf")
    return float(cdist(state.receptor.coordinates[chosen], state.ligand_coordinates).min())


def _charge(state: ComplexState, residue: int) -> int:
    name = str(state.receptor.residue_names[residue])
    if name == "HIS":
        atoms = set(state.receptor.atom_names[state.receptor.atom_residue == residue].tolist())
        return int({"HD1", "HE2"} <= atoms)
    return _CHARGES.get(name, 0)


def _overlap(state: ComplexState, sites: IntArray) -> float:
    """Return the largest overlap of a mutated side chain with residues that are not its neighbours in sequence."""
    receptor = state.receptor
    heavy, backbone = _heavy(state), np.isin(receptor.atom_names, ("N", "CA", "C", "O"))
    worst = 0.0
    for site in sites.tolist():
        own = heavy & ~backbone & (receptor.atom_residue == site)
        others = heavy & (np.abs(receptor.atom_residue - site) > 1)
        if not own.any() or not others.any():
            continue
        gap = cdist(receptor.coordinates[own], receptor.coordinates[others])
        elements = [np.char.upper(receptor.elements[chosen].astype(str)) for chosen in (own, others)]
        radii = [np.array([_RADII.get(str(e), 1.7) for e in part]) for part in elements]
        polar = np.isin(elements[0], _POLAR)[:, None] & np.isin(elements[1], _POLAR)[None, :]
        allowed = np.where(polar, _HYDROGEN_BOND_ALLOWED, _OVERLAP_ALLOWED)
        worst = max(worst, float((radii[0][:, None] + radii[1][None, :] - allowed - gap).max()))
    return max(0.0, worst)
