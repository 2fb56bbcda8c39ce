"""A kinase in a conformation that no structure at hand has: template, graft, preparation, minimisation, check."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from dockkit.core.errors import InputError, SamplingError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import Assembly, Change, Conformation, IntArray, Kinase, Receptor, StructureEntry
from dockkit.core.settings import PreparationSettings
from dockkit.forcefield.system import born_parameters, make_region, receptor_parameters, region_system
from dockkit.kinase import identify_kinase, load_kinase, measure_conformation, motifs
from dockkit.sampling import minimise
from dockkit.structure import catalogue, prepare_receptor, read_structure
from dockkit.structure.fragments import fragment_library
from dockkit.structure.states import Graft, Part, crystal_receptor, faults, graft_state
from dockkit.structure.states import KinaseState as KinaseState

STATES: Final[tuple[KinaseState, ...]] = ("dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out")

MOBILE_WITHIN: Final = 5.0
KEPT_WITHIN: Final = 11.0
"""Residues with an atom within so many Angstrom of what was grafted or searched move, or are kept around."""

STAGES: Final = ((20.0, 200), (3.0, 1000))
"""Backbone restraint (kcal/mol/A^2) and L-BFGS iterations, one minimisation after the other."""

DIELECTRIC: Final = 4.0
CUTOFF: Final = 10.0

ABSENT_COST: Final = 0.02
LENGTH_COST: Final = 0.03
"""What one residue that the template's activation loop lacks, or has more or fewer, costs in fraction of the pocket."""

HELIX_COST: Final = 0.1
SURE_IN: Final = 9.0
SURE_OUT: Final = 12.0
"""The same per Angstrom by which the Lys-Glu C-beta distance falls short of a helix clearly in, or clearly out."""

TEMPLATES_TRIED: Final = 3

EXPECTED_ERROR: Final[dict[str, str]] = {
    "dfg-in": "activation loop 2.0 A (0.7 to 8.0; 7.5 unmodelled), DFG 2.0 A (5.5), pocket C-alpha 1.4 A (2.3); "
    "8 models of ABL1, EGFR, KDR and MET",
    "dfg-out": "activation loop 3.2 A (1.1 to 17.7; 9.9 unmodelled), DFG 2.1 A (5.1), pocket C-alpha 1.9 A (2.3); "
    "8 models of ABL1, EGFR, KDR and MET",
    "alpha-c-in": "activation loop 2.8 A (1.1 to 3.8; 9.6 unmodelled), alpha-C 2.4 A (4.6), pocket C-alpha 2.2 A "
    "(2.9); 5 models of CDK2 and EGFR",
    "alpha-c-out": "activation loop 3.4 A (2.2 to 4.3; 3.7 unmodelled), alpha-C 3.1 A (2.1 to 8.6; 4.6), pocket "
    "C-alpha 2.6 A (2.8), hardly better than unmodelled; 4 models of CDK2 and EGFR",
}
"""Medians of ``benchmarks/model_state.py``: RMSD from crystals of the state, main chain where not said otherwise, the
C-lobes laid on each other, templates of another kinase; in brackets range, and the structure started from."""


def _has(state: KinaseState, dfg: str, alpha_c: str) -> bool:
    part, _, value = state.rpartition("-")
    return (dfg if part == "dfg" else alpha_c) == value


def _likeness(kinase: Kinase, other: Kinase) -> float:
    """Return the fraction of pocket positions with the same residue."""
    same = [
        a > 0 and b > 0 and kinase.sequence[a - 1] == other.sequence[b - 1]
        for a, b in zip(kinase.pocket, other.pocket, strict=True)
    ]
    return float(np.mean(same))


def rank_templates(
    kinase: Kinase, state: KinaseState, *, dfg: str = "", excluded: frozenset[str] = frozenset()
) -> list[tuple[StructureEntry, str]]:
    """Return the bundled crystal structures that can serve as template, best first, and what speaks for each.

    The pocket should be alike, the activation loop whole and of the target's length.

    Parameters
    ----------
    kinase : Kinase
        The target.
    state : {"dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"}
    dfg : str
        For a state of the helix: the DFG state that is to stay.
    excluded : frozenset of str
        UniProt accessions not to use.

    Raises
    ------
    StructureError
        The library has no structure in this state.
    """
    fitting = [
        entry
        for entry in catalogue()
        if not entry.modelled and entry.uniprot not in excluded and _has(state, entry.dfg, entry.alpha_c)
        if state.startswith("dfg") or dfg in ("", "unknown", entry.dfg)
    ]
    if not fitting:
        raise StructureError(f"the library has no structure in state {state} to model {kinase.gene} after; give a file")
    wanted, library = len(motifs(kinase)["activation_loop"]), fragment_library()
    ranked = []
    for entry in fitting:
        other = load_kinase(entry.kinase)
        loop = motifs(other)["activation_loop"]
        absent = len(set(loop) - set(library.numbers[library.entries == entry.name].tolist()))
        likeness = _likeness(kinase, other)
        why = (
            f"{100 * likeness:.0f} % of the pocket alike, activation loop of {len(loop)} residues ({wanted} in "
            f"{kinase.gene}), {absent} of them absent"
        )
        cost = ABSENT_COST * absent + LENGTH_COST * abs(len(loop) - wanted) - likeness
        if state.startswith("alpha-c"):
            cost += HELIX_COST * _helix_doubt(entry, state)
        ranked.append((cost, entry.name, entry, why))
    return [(entry, why) for _, _, entry, why in sorted(ranked, key=lambda row: row[:2])]


def _helix_doubt(entry: StructureEntry, state: KinaseState) -> float:
    """Return by how many Angstrom the helix of an entry falls short of standing clearly in, or out."""
    receptor, _ = _template(entry.name, "")
    distance = dict(receptor.conformation.measures).get("lysine_glutamate_c_beta", 0.5 * (SURE_IN + SURE_OUT))
    return max(0.0, distance - SURE_IN if state == "alpha-c-in" else SURE_OUT - distance)


def _template(name: str, chain: str) -> tuple[Receptor, Kinase]:
    """Read a template by library name or as a file; heavy atoms only."""
    entry = next((entry for entry in catalogue() if entry.name == name.lower()), None)
    path = library_dir("structures") / entry.file if entry else Path(name)
    raw = read_structure(path, chain)
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    receptor = crystal_receptor(
        raw, name=entry.name if entry else path.name.split(".")[0], kinase=kinase, numbers=numbers
    )
    return dataclasses.replace(receptor, conformation=measure_conformation(receptor, kinase)), kinase


def model_state(
    receptor: Receptor, kinase: Kinase, state: KinaseState, *, template: str = "", template_chain: str = "",
    parts: tuple[Part, ...] | None = None, excluded: frozenset[str] = frozenset(),
    settings: PreparationSettings | None = None, seed: int = 0,
) -> Receptor:  # fmt: skip
    """Model a kinase in a conformation it was not seen in.

    Parameters
    ----------
    receptor : Receptor
        Prepared, with UniProt numbers; waters and ions in it are left out of the model.
    kinase : Kinase
        Of ``receptor``.
    state : {"dfg-in", "dfg-out", "alpha-c-in", "alpha-c-out"}
    template : str
        Name of a bundled structure, or a file; empty takes the best bundled structure in the wanted state.
    template_chain : str
        Chain of a template file.
    parts : tuple of {"activation loop", "alpha-C", "P-loop"}, optional
        What to take from the template.
    excluded : frozenset of str
        UniProt accessions of kinases whose bundled structures are used for nothing (for measuring).
    settings : PreparationSettings, optional
        Protonation and flips; waters and metals are left out, and loops outside the grafts stay as they are.
    seed : int

    Returns
    -------
    Receptor
        ``modelled``; its name ends in the state; ``changes`` and ``notes`` say what came from where and the error to
        expect; ``conformation`` as measured.

    Raises
    ------
    InputError
        No such state.
    StructureError
        The template is not in the wanted state, lacks the segments, or the model did not come out in that state.
    """
    if state not in STATES:
        raise InputError(f"no state '{state}'; choose one of: {', '.join(STATES)}")
    if template:
        donor, donor_kinase = _template(template, template_chain)
        return _after(receptor, kinase, state, donor, donor_kinase, "given", parts, excluded, settings, seed)
    failures = []
    ranked = rank_templates(kinase, state, dfg=receptor.conformation.dfg, excluded=excluded)
    for entry, why in ranked[:TEMPLATES_TRIED]:
        donor, donor_kinase = _template(entry.name, "")
        try:
            return _after(receptor, kinase, state, donor, donor_kinase, why, parts, excluded, settings, seed)
        except (StructureError, SamplingError) as error:
            failures.append(str(error))
    raise StructureError(f"{receptor.name}: no sound model in state {state}: {' | '.join(failures)}")


def _after(
    receptor: Receptor, kinase: Kinase, state: KinaseState, donor: Receptor, donor_kinase: Kinase, why: str,
    parts: tuple[Part, ...] | None, excluded: frozenset[str], settings: PreparationSettings | None, seed: int,
) -> Receptor:  # fmt: skip
    """Model after one template."""
    seen = donor.conformation
    if not _has(state, seen.dfg, seen.alpha_c):
        raise StructureError(
            f"{donor.name} cannot serve as template for {state}: measured DFG {seen.dfg}, alpha-C {seen.alpha_c} "
            f"({_distances(seen)}); choose another template"
        )
    graft = graft_state(
        receptor, kinase, donor, donor_kinase, state=state, activation_loop=motifs(kinase)["activation_loop"],
        template_loop=motifs(donor_kinase)["activation_loop"], parts=parts, seed=seed, excluded=excluded,
    )  # fmt: skip
    plain = (settings or PreparationSettings()).model_copy(
        update={"waters": "none", "metals": "none", "longest_loop": 0, "phosphorylation": "keep"}
    )
    built = prepare_receptor(
        graft.raw, name=f"{receptor.name}-{state}", kinase=kinase, uniprot_numbers=graft.uniprot_numbers,
        settings=plain, modelled=True,
    )  # fmt: skip
    return _checked(_relaxed(built, graft), receptor, donor, kinase, state, graft, why)


def _distances(conformation: Conformation) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.1f} A" for name, value in conformation.measures)


def _relaxed(receptor: Receptor, graft: Graft) -> Receptor:
    """Minimise what was grafted, searched or built and the residues around it; the rest is held."""
    parameters = receptor_parameters(receptor)
    radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
    assembly = Assembly(receptor, "", np.zeros(0, dtype=str), parameters, radii, scales)
    moved = np.isin(receptor.uniprot_numbers, sorted(graft.grafted | graft.rebuilt))
    mobile = _near(receptor, np.flatnonzero(moved), MOBILE_WITHIN)
    region = make_region(assembly, mobile, _near(receptor, mobile, KEPT_WITHIN))
    xyz = np.array(receptor.coordinates)
    for restraint, iterations in STAGES:
        system = region_system(
            assembly, region, xyz, dielectric=DIELECTRIC, cutoff=CUTOFF, backbone_restraint=restraint
        )  # fmt: skip
        xyz, _ = minimise(system, region, xyz, iterations)
    return dataclasses.replace(receptor, coordinates=xyz)


def _near(receptor: Receptor, residues: IntArray, distance: float) -> IntArray:
    chosen = np.isin(receptor.atom_residue, residues)
    gaps, _ = cKDTree(receptor.coordinates[chosen]).query(receptor.coordinates, distance_upper_bound=distance)
    return np.union1d(residues, np.unique(receptor.atom_residue[np.isfinite(gaps)]))


def _checked(
    model: Receptor, start: Receptor, donor: Receptor, kinase: Kinase, state: KinaseState, graft: Graft, why: str
) -> Receptor:
    conformation = measure_conformation(model, kinase)
    if not _has(state, conformation.dfg, conformation.alpha_c):
        raise StructureError(
            f"{start.name}: the model after {donor.name} came out DFG {conformation.dfg}, alpha-C "
            f"{conformation.alpha_c}, not {state} ({_distances(conformation)}); try another template"
        )
    wrong = [fault for fault in faults(model) if fault not in faults(start)]
    if wrong:
        raise StructureError(f"{start.name}: the model after {donor.name} is not sound: {'; '.join(wrong)}")
    head = Change(
        "model",
        f"{state} modelled after {donor.name} ({donor.kinase}); measured {_distances(conformation)}",
        f"template {why}; expected error with a template of another kinase: {EXPECTED_ERROR[state]}",
    )
    loose = [r for r in np.flatnonzero(start.uniprot_numbers == 0) if start.residue_names[r] not in ("ACE", "NME")]
    left = sorted({str(start.residue_names[r]) for r in loose} & {"HOH", "MG", "MN", "ZN", "CA", "NA", "K", "CL"})
    gone = (
        [Change("removed", f"{', '.join(left)} of {start.name} not carried over", "the site changes")] if left else []
    )
    changes = (head, *graft.changes, *gone, *model.changes)
    notes = (head.sentence, *(change.sentence for change in graft.changes if not change.residue_name))
    return dataclasses.replace(
        model, conformation=conformation, changes=changes, notes=(*notes, *(c.sentence for c in gone), *model.notes),
        source=f"model of {start.source or start.name}",
    )  # fmt: skip
