"""Give a finished row its calibrated ddG, confidence and probability of resistance."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace

from dockkit.calibration import (
    Calibrated,
    calibrate,
    calibration_record,
    expected_effective,
    measure_features,
    resistance_probability,
)
from dockkit.core.model import Estimate, RowDetail
from dockkit.core.settings import EnergySettings, RelaxSettings, Study
from dockkit.pipeline.steps import STEPS


def recipe_tag(relax: RelaxSettings, energy: EnergySettings) -> str:
    """Return a short tag of what decides a physical ddG: its settings and the versions of its steps.

    The calibration holds the tag of the predictions it was fitted on; another tag widens the error.
    """
    parts = {
        "relax": relax.model_dump(mode="json"),
        "energy": energy.model_dump(mode="json"),
        "versions": {name: STEPS[name].version for name in ("start", "state")},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("ascii")).hexdigest()[:12]


def calibration_in_words() -> str:
    """Return what the calibrated numbers stand on, and how good they were for drugs that the fit had not seen."""
    record = calibration_record()
    scores = record["scores"]
    return (
        f"fitted to {record['n']} measured ddG ({record['what']}), {record['date']}, model '{record['model']}' of "
        f"{record['candidates_tried']} tried; each drug left out in turn: root-mean-square error "
        f"{scores['rmse_drug_out']:.2f} kcal/mol, Pearson {scores['pearson_drug_out']:.2f}, "
        f"AUROC {scores['auroc_drug_out']:.2f}"
    )


def with_calibration(detail: RowDetail, study: Study, kinase: str, atp_shift: Estimate) -> RowDetail:
    """Return a row with its calibrated numbers.

    Parameters
    ----------
    detail : RowDetail
        An inhibitor row whose effective ddG stands; others come back as they are.
    study : Study
        Its settings.
    kinase : str
        Gene.
    atp_shift : Estimate
        What ATP adds to the effective ddG, kcal/mol.

    Returns
    -------
    RowDetail
        With :func:`atp_part` in the probability.
    """
    row = detail.row
    if row.status != "ok" or detail.wild_type is None or detail.mutant is None:
        return detail
    found = _calibrated(detail, study, kinase)
    shift, shift_error = atp_part(atp_shift, measured=bool(study.atp.measured_um(row.mutation)))
    value, error = expected_effective(found, shift=shift, shift_error=shift_error)
    probability = resistance_probability(
        found,
        shift=shift,
        shift_error=shift_error,
        fold=study.resistance.fold,
        temperature_kelvin=study.temperature_kelvin,
    )
    return replace(
        detail,
        row=replace(
            row,
            ddg_calibrated_kcal_mol=found.value,
            ddg_calibrated_error=found.error,
            ddg_expected_kcal_mol=value,
            ddg_expected_error=error,
            resistance_probability=probability,
            confidence=found.confidence,
            confidence_reason="; ".join((found.level, *found.flags)),
        ),
    )


def _calibrated(detail: RowDetail, study: Study, kinase: str) -> Calibrated:
    row, wild_type, mutant = detail.row, detail.wild_type, detail.mutant
    assert wild_type is not None
    assert mutant is not None
    ddg = Estimate(row.ddg_inhibitor_kcal_mol, row.ddg_inhibitor_sem, len(mutant.terms))
    return calibrate(
        measure_features(
            wild_type,
            mutant,
            ddg,
            kinase=kinase,
            modelled=row.modelled_structure,
            docked=row.pose_engine != "bound",
            recipe=recipe_tag(study.relax, study.energy),
        )
    )


def atp_part(shift: Estimate, *, measured: bool) -> tuple[float, float]:
    """Return what ATP adds to the ddG that the probability is about, and its error, kcal/mol.

    Parameters
    ----------
    shift : Estimate
        What ATP adds to the effective ddG, kcal/mol; zero where it takes no part.
    measured : bool
        From measured constants of the variant: these count whole, with their own error. A predicted shift is shrunk by
        the slope of the calibration's record and has the error given there.

    Returns
    -------
    shift, error : float
    """
    if measured:
        return shift.value, shift.sem
    if shift.value == 0.0 or not math.isfinite(shift.value):
        return 0.0, 0.0
    atp = calibration_record()["atp"]
    return float(atp["slope"]) * shift.value, float(atp["error_kcal_mol"])
