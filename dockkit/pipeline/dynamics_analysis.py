"""Analyse the trajectories of a variant: compare wild type and mutant in every leg, and write tables, figures, a page.

Where the stages meet for dynamics: ``kinase`` says where the parts of the kinase are and measures its conformation,
``analysis`` compares, ``report`` draws.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dockkit.analysis.dynamics import compare_dynamics
from dockkit.analysis.frames import Sites
from dockkit.core.errors import InputError
from dockkit.core.model import (
    DynamicsComparison,
    DynamicsLeg,
    DynamicsStudy,
    Estimate,
    Kinase,
    Numbering,
)
from dockkit.kinase import KLIFS_REGIONS, measure_conformation, motifs
from dockkit.report.dynamics import write_dynamics

_NONE = Estimate(float("nan"), float("nan"), 0)


def kinase_sites(kinase: Kinase) -> Sites:
    """Return where the parts of a kinase are that its dynamics are looked at for.

    Parameters
    ----------
    kinase : Kinase

    Returns
    -------
    Sites
        UniProt numbers. The catalytic loop of a tyrosine kinase has no Lys two residues after the HRD Asp (Hanks &
        Hunter, FASEB J. 1995, 9, 576).
    """
    parts = motifs(kinase)
    after = kinase.sequence[kinase.hrd_aspartate + 1 : kinase.hrd_aspartate + 2] if kinase.hrd_aspartate else ""
    return Sites(
        gatekeeper=kinase.gatekeeper,
        hinge=tuple(range(kinase.gatekeeper + 1, kinase.gatekeeper + 4)) if kinase.gatekeeper else (),
        pocket=kinase.pocket,
        regions=KLIFS_REGIONS,
        activation_loop=parts["activation_loop"],
        hrd=parts["hrd"],
        tyrosine_kinase=bool(after) and after != "K",
    )


def compare_leg(leg: DynamicsLeg, kinase: Kinase | None, numbering: Numbering = "uniprot") -> DynamicsComparison:
    """Compare both states of one leg.

    Parameters
    ----------
    leg : DynamicsLeg
    kinase : Kinase or None
        Without it nothing is said of hinge, gatekeeper, P-loop and conformational states.
    numbering : {"uniprot", "author"}

    Returns
    -------
    DynamicsComparison
    """
    return compare_dynamics(
        leg.wild_type,
        leg.mutant,
        leg.ligand,
        kinase,
        numbering,
        sites=None if kinase is None else kinase_sites(kinase),
        measure=None if kinase is None else functools.partial(measure_conformation, kinase=kinase),
        role=leg.role,
    )


def _ddg(comparisons: Sequence[DynamicsComparison], role: str) -> list[tuple[str, Estimate]]:
    """Return the energies of a role by the ligands' names."""
    return [(item.ligand, item.ddg) for item in comparisons if item.role == role and np.isfinite(item.ddg.value)]


def compare_legs(
    legs: Sequence[DynamicsLeg], variant: str, kinase: Kinase | None, numbering: Numbering = "uniprot"
) -> DynamicsStudy:
    """Compare wild type and mutant in every leg, and join the inhibitor's and the ATP half.

    Parameters
    ----------
    legs : sequence of DynamicsLeg
    variant : str
        Label of the mutation, such as ``T315I``.
    kinase : Kinase or None
    numbering : {"uniprot", "author"}
        Numbers of the residues in the result.

    Returns
    -------
    DynamicsStudy

    Raises
    ------
    InputError
        There is no leg.
    """
    if not legs:
        raise InputError(f"{variant}: no trajectories to compare; run the dynamics of wild type and mutant first")
    comparisons = tuple(compare_leg(leg, kinase, numbering) for leg in legs)
    inhibitors, found = _ddg(comparisons, "inhibitor"), _ddg(comparisons, "ATP")
    atp = found[0][1] if found else _NONE
    effective = tuple((name, _less(ddg, atp)) for name, ddg in inhibitors)
    return DynamicsStudy(
        variant=variant,
        kinase=kinase.gene if kinase is not None else "",
        comparisons=comparisons,
        inhibitors=tuple(inhibitors),
        ddg_atp=atp,
        effective=effective,
        words=_answer(inhibitors, atp, effective),
    )


def _less(inhibitor: Estimate, atp: Estimate) -> Estimate:
    """Return the effective ddG: what the inhibitor loses less what ATP loses."""
    return Estimate(inhibitor.value - atp.value, float(np.hypot(inhibitor.sem, atp.sem)), min(inhibitor.n, atp.n))


def _answer(
    inhibitors: Sequence[tuple[str, Estimate]], atp: Estimate, effective: Sequence[tuple[str, Estimate]]
) -> tuple[str, ...]:
    """Return the energies in words; where there are several inhibitors, by their names."""
    several = len(inhibitors) > 1
    values = [(f"ddG of {name if several else 'the inhibitor'}", ddg) for name, ddg in inhibitors]
    values.append(("ddG of ATP", atp))
    values += [(f"effective ddG ({name if several else 'inhibitor'} less ATP)", ddg) for name, ddg in effective]
    out = []
    for name, value in values:
        if np.isfinite(value.value):
            error = f"{value.sem:.2f}" if np.isfinite(value.sem) else "unknown"
            out.append(name + f" {value.value:+.2f} ± {error} kcal/mol".replace("-", "\N{MINUS SIGN}"))
    return tuple(out)


def analyse_dynamics(
    legs: Sequence[DynamicsLeg],
    variant: str,
    kinase: Kinase | None,
    out_dir: Path,
    *,
    numbering: Numbering = "uniprot",
    title: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> DynamicsStudy:
    """Compare wild type and mutant in every leg, and write what was found.

    Parameters
    ----------
    legs : sequence of DynamicsLeg
        For each thing in the pocket (inhibitor, ATP, nothing) the trajectories of both states, run under identical
        settings; ``Trajectory.contributions`` gives the energies residue by residue where it is filled.
    variant : str
        Label of the mutation, such as ``T315I``.
    kinase : Kinase or None
        Without it nothing is said of hinge, gatekeeper, P-loop and conformational states.
    out_dir : Path
        ``dynamics.html``, ``dynamics.json``, ``comparisons.csv``, ``residues_<leg>.csv``, ``series_<leg>.csv`` and
        ``figures/`` are written here; made where it is missing.
    numbering : {"uniprot", "author"}
        Numbers of the residues in what is written.
    title : str
        Of the page; the kinase and the variant by default.
    facts : sequence of (str, str)
        What the page says of how the runs were made: settings, versions, seeds, platform.

    Returns
    -------
    DynamicsStudy
        The comparison of every leg; also the ddG of inhibitor and ATP.

    Raises
    ------
    InputError
        There is no leg.
    StoreError
        A file could not be written.
    """
    study = compare_legs(legs, variant, kinase, numbering)
    write_dynamics(study, legs, out_dir, kinase=kinase, numbering=numbering, title=title, facts=facts)
    return study
