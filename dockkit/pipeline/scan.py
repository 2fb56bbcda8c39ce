"""A scan: substitutions at the residues around a ligand as one study, ranked by how likely they are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from dockkit import kinase as kinases
from dockkit.calibration import chance_above
from dockkit.core.codons import AMINO_ACIDS, Reach, reach, read_coding_sequence
from dockkit.core.errors import InputError, SettingsError, StructureError
from dockkit.core.model import Kinase, Ligand, Pose, Receptor, StudyResult
from dockkit.core.model.panels import ScanResidue, ScanResult, ScanRow
from dockkit.core.residues import amino_acids, one_letter
from dockkit.core.settings import ScanSettings, Study, validate_study
from dockkit.core.units import thermal_energy
from dockkit.pipeline.panel import structures_given
from dockkit.pipeline.templates import Templates, resolve_kinase


@dataclass(frozen=True, slots=True)
class Site:
    """A residue near the ligand that can be scanned.

    Parameters
    ----------
    number : int
        In the study's numbering.
    uniprot : int
        0 where it has none.
    letter, chain : str
    distance : float
        Between its nearest heavy atom and the ligand's, Angstrom.
    insertion_code : str
        Of author numbers.
    """

    number: int
    uniprot: int
    letter: str
    chain: str
    distance: float
    insertion_code: str = ""

    @property
    def place(self) -> tuple[int, str]:
        """What distinguishes it within the chain: number and insertion code."""
        return (self.number, self.insertion_code)

    @property
    def label(self) -> str:
        """Such as ``T315``."""
        return f"{self.letter}{self.number}{self.insertion_code}"


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan before it runs.

    Parameters
    ----------
    study : Study
    sites : tuple of Site
    reaches : dict of (int, str, str) to Reach
        By residue number, insertion code and mutant letter: every substitution of the study.
    codons : str
        What was assumed, in a sentence.
    settings : ScanSettings
    notes : tuple of str
    """

    study: Study
    sites: tuple[Site, ...]
    reaches: Mapping[tuple[int, str, str], Reach]
    codons: str
    settings: ScanSettings
    notes: tuple[str, ...] = ()


def probe_study(
    structure: str,
    ligand: str,
    *,
    kinase: str = "",
    chain: str = "",
    numbering: str = "uniprot",
    cache: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Study:
    """Return a study of one residue that stays as it is: enough to find out where the ligand stands.

    Parameters
    ----------
    structure : str
        File, library name, PDB id or accession; empty lets the library choose for the kinase.
    ligand : str
        One molecule.
    kinase : str
        Gene or accession; empty reads it from the structure.
    chain, numbering, cache, settings
        As in :func:`dockkit.pipeline.panel.panel_study`.

    Raises
    ------
    InputError
        See :func:`dockkit.pipeline.plan.plan`.
    """
    given = dict(settings or {})
    if not kinase and not structure:
        raise SettingsError("give a structure (--structure FILE), or a kinase of the library (--kinase ABL1)")
    structures = structures_given(given.pop("structures", {}), structure, chain, cache)
    data = {
        "name": "scan", "kinase": kinase, "numbering": numbering, "inhibitors": [ligand], "md": {"enabled": False},
        "structures": structures, **given,
    }  # fmt: skip
    study = validate_study({**data, "mutations": ["M1M"]}, "scan")
    own = resolve_kinase(study)
    label = _present_residue(study, own)
    return validate_study({**data, "kinase": own.gene, "mutations": [label], "atp": {"include": False}}, "scan")


def _present_residue(study: Study, kinase: Kinase) -> str:
    """Return the self-mutation of a residue that the structures hold."""
    named = study.structures.dfg_in or study.structures.dfg_out
    if not named:
        return _own(kinase, kinase.gatekeeper or kinase.domain[0])
    template = Templates(study, kinase).choose("", "unknown")
    if template.entry is not None:
        return _own(kinase, (template.entry.first + template.entry.last) // 2)
    for number, letter in template.letters.items():
        matches = study.numbering == "author" or kinase.sequence[number - 1 : number] == letter
        if letter in AMINO_ACIDS and matches:
            return f"{letter}{number}{letter}"
    raise StructureError(f"{template.label}: no residue of the chain could be scanned")


def _own(kinase: Kinase, number: int) -> str:
    letter = kinase.sequence[number - 1]
    return f"{letter}{number}{letter}"


# ------------------------------------------------------------------------------------------------- which substitutions


def nearby_sites(
    receptor: Receptor, ligand: Ligand, pose: Pose, kinase: Kinase, study: Study, settings: ScanSettings,
    residues: Sequence[int] = (),
) -> tuple[tuple[Site, ...], tuple[str, ...]]:  # fmt: skip
    """Return the residues around a pose that can be scanned, and what is to say of the others.

    Parameters
    ----------
    receptor, ligand, pose
        As the probe's tasks gave them.
    kinase : Kinase
    study : Study
        For its numbering.
    settings : ScanSettings
    residues : sequence of int
        These instead, in the study's numbering.

    Raises
    ------
    InputError
        No residue is near enough, or one that was asked for is not there.
    """
    heavy = receptor.elements != "H"
    tree = cKDTree(pose.coordinates[ligand.elements != "H"])
    reach_of = np.full(receptor.n_residues, np.inf)
    np.minimum.at(reach_of, receptor.atom_residue[heavy], tree.query(receptor.coordinates[heavy])[0])
    by_uniprot = study.numbering == "uniprot"
    numbers = receptor.uniprot_numbers if by_uniprot else receptor.author_numbers
    real = amino_acids(receptor.residue_names)
    asked = set(residues)
    if missing := sorted(asked - {int(n) for n, counts in zip(numbers, real, strict=True) if counts}):
        raise InputError(
            f"--residues: {receptor.name} has no residue {', '.join(map(str, missing))} in {study.numbering} numbering"
        )
    sites, notes, own = [], [], str(receptor.chain_ids[0])
    for i in np.flatnonzero(real):
        number, distance = int(numbers[i]), float(reach_of[i])
        if (number not in asked) if asked else distance > settings.within_angstrom:
            continue
        why = _unfit(receptor, int(i), number, kinase, by_uniprot)
        if not why and str(receptor.chain_ids[i]) != own:
            why = f"it is of chain {receptor.chain_ids[i]}, and the kinase's is {own}"
        if why:
            notes.append(f"{receptor.residue_names[i]} {receptor.author_numbers[i]} is not scanned: {why}")
            continue
        letter, code = one_letter(str(receptor.residue_names[i])), str(receptor.insertion_codes[i])
        uniprot, chain = int(receptor.uniprot_numbers[i]), str(receptor.chain_ids[i])
        sites.append(Site(number, uniprot, letter, chain, distance, "" if by_uniprot else code))
    if not sites:
        raise InputError(
            f"{receptor.name}: no residue within {settings.within_angstrom:g} A of {ligand.name} can be scanned; "
            f"look at the pose, or widen --within{'; ' + notes[0] if notes else ''}"
        )
    return tuple(sites), tuple(notes)


def sites_of_sequence(kinase: Kinase, residues: Sequence[int]) -> tuple[Site, ...]:
    """Return sites by UniProt numbers alone; chain and distance are not known without a structure.

    Raises
    ------
    InputError
        The sequence has no such residue.
    """
    if outside := [number for number in residues if not 1 <= number <= len(kinase.sequence)]:
        raise InputError(f"--residues: {kinase.gene} ({kinase.uniprot}) has no residue {outside[0]}")
    return tuple(
        Site(number, number, kinase.sequence[number - 1], "", float("nan")) for number in sorted(set(residues))
    )


def _unfit(receptor: Receptor, index: int, number: int, kinase: Kinase, by_uniprot: bool) -> str:
    """Say why a residue cannot be scanned; empty where it can."""
    letter = one_letter(str(receptor.residue_names[index]))
    if letter not in AMINO_ACIDS:
        return "it is not one of the twenty amino acids"
    if by_uniprot and number <= 0:
        return "it has no UniProt number"
    if by_uniprot and kinase.sequence[number - 1] != letter:
        return f"the structure has {letter}{number} where UniProt has {kinase.sequence[number - 1]}{number}"
    return ""


def scan_study(
    probe: Study, kinase: Kinase, sites: Sequence[Site], settings: ScanSettings, *, ligand: str,
    coding_sequence: str | Path | None = None, atp: bool = True, notes: Sequence[str] = (),
) -> Scan:  # fmt: skip
    """Return the study of all substitutions of a scan.

    Parameters
    ----------
    probe : Study
        From :func:`probe_study`.
    kinase : Kinase
    sites : sequence of Site
    settings : ScanSettings
    ligand : str
        Its name, for the title.
    coding_sequence : str or Path, optional
        FASTA of the kinase's coding sequence; without it every codon of a residue is equally likely.
    atp : bool
        Whether the ATP half is computed.
    notes : sequence of str

    Raises
    ------
    InputError
        The coding sequence is not this kinase's, or no substitution is left.
    """
    codons = {} if coding_sequence is None else read_coding_sequence(coding_sequence, kinase.sequence, kinase.gene)
    known = [site for site in sites if codons.get(site.uniprot) and kinase.sequence[site.uniprot - 1] == site.letter]
    if coding_sequence is None:
        assumed = "The coding sequence was not given: every codon of a residue is taken as equally likely."
    else:
        assumed = f"Codons are those of {Path(coding_sequence).name}"
        others = len(sites) - len(known)
        assumed += f"; for {others} residues without one, every codon is equally likely." if others else "."
    usable = {site.place for site in known}
    reaches: dict[tuple[int, str, str], Reach] = {}
    for site in sites:
        codon = codons[site.uniprot] if site.place in usable else ""
        for mutant in AMINO_ACIDS:
            if mutant == site.letter:
                continue
            found = reach(site.letter, mutant, codon=codon, transition_rate=settings.transition_rate)
            if found.probability > 0 or not settings.single_nucleotide:
                reaches[(*site.place, mutant)] = found
    labels = {site.place: site.label for site in sites}
    mutations = [f"{labels[number, code]}{mutant}" for number, code, mutant in reaches]
    if not mutations:
        raise InputError("no substitution is left to scan")
    title = f"{kinase.gene} with {ligand}: {len(mutations)} substitutions at {len(sites)} residues"
    study = probe.model_copy(
        update={
            "name": probe.name, "title": title, "mutations": mutations,
            "atp": probe.atp.model_copy(update={"include": atp}),
            "question": f"Which changes of the pocket make {kinase.gene} resist {ligand}?",
        }
    )  # fmt: skip
    return Scan(study, tuple(sites), reaches, assumed, settings, tuple(notes))


# ------------------------------------------------------------------------------------------------------------- results


def _roles(kinase: Kinase) -> dict[int, str]:
    """Return what a residue is called, by UniProt number."""
    regions = {number: name for name, number in zip(kinases.KLIFS_REGIONS, kinase.pocket, strict=False) if number}
    words = {
        "I": "beta-1", "g.l": "P-loop", "II": "beta-2", "III": "beta-3", "alphaC": "alpha-C", "b.l": "after alpha-C",
        "IV": "beta-4", "V": "beta-5", "GK": "gatekeeper", "hinge": "hinge", "linker": "after the hinge",
        "alphaD": "alpha-D", "alphaE": "alpha-E", "VI": "beta-6", "c.l": "catalytic loop", "VII": "beta-7",
        "VIII": "beta-8", "xDFG": "DFG", "a.l": "activation loop",
    }  # fmt: skip
    found = {number: words.get(name, name) for number, name in regions.items()}
    found.update(_essential(kinase))
    return found


def _essential(kinase: Kinase) -> dict[int, str]:
    named = {
        kinase.catalytic_lysine: "catalytic Lys", kinase.alpha_c_glutamate: "alpha-C Glu",
        kinase.hrd_aspartate: "HRD Asp", kinase.dfg_aspartate: "DFG Asp",
    }  # fmt: skip
    return {number: name for number, name in named.items() if number}


def scan_result(result: StudyResult, scan: Scan, receptor: Receptor, pose: Pose) -> ScanResult:
    """Read a finished study as a scan.

    Parameters
    ----------
    result : StudyResult
    scan : Scan
    receptor : Receptor
    pose : Pose

    Returns
    -------
    ScanResult
        Ranked by score = reachable * resists; where that is 0, by the probability that it resists.
    """
    fold = scan.settings.resistant_fold or scan.study.resistance.fold
    threshold = thermal_energy(result.temperature_kelvin) * float(np.log(fold))
    rows = []
    for detail in result.rows:
        site, row = detail.variant.substitutions[0], detail.row
        found = scan.reaches[(site.number, site.insertion_code, site.mutant)]
        resists = float("nan")
        if row.status == "ok":
            resists = float(chance_above(row.ddg_expected_kcal_mol, row.ddg_expected_error, threshold))
        rows.append(
            ScanRow(
                detail, site.number, site.wild_type, site.mutant, found.nucleotides, found.probability, found.low,
                found.high, resists, found.probability * resists, insertion_code=site.insertion_code,
            )
        )  # fmt: skip
    ranked = _ranked(rows)
    return ScanResult(
        study=result, ligand=result.rows[0].row.ligand, receptor=receptor, ligand_coordinates=pose.coordinates,
        rows=ranked, residues=_residues(ranked, scan, result.kinase),
        single_nucleotide=scan.settings.single_nucleotide, within_angstrom=scan.settings.within_angstrom,
        transition_rate=scan.settings.transition_rate, resistant_fold=fold,
        codons=scan.codons, notes=scan.notes,
    )  # fmt: skip


def _ranked(rows: Sequence[ScanRow]) -> tuple[ScanRow, ...]:
    good = [row for row in rows if np.isfinite(row.resists)]
    bad = [row for row in rows if not np.isfinite(row.resists)]
    good.sort(key=lambda row: (-row.score, -row.resists, row.place, row.mutant))
    return (*(replace(row, rank=place) for place, row in enumerate(good, start=1)), *bad)


def _residues(rows: Sequence[ScanRow], scan: Scan, kinase: Kinase) -> tuple[ScanResidue, ...]:
    roles, essential = _roles(kinase), _essential(kinase)
    found = []
    for site in scan.sites:
        own = [row for row in rows if row.place == site.place]
        good = [row for row in own if row.rank]
        best = min(good, key=lambda row: row.rank, default=None)
        found.append(
            ScanResidue(
                number=site.number, letter=site.letter, chain=site.chain, distance=site.distance,
                role=roles.get(site.uniprot, ""), essential=site.uniprot in essential,
                score=sum(row.score for row in good),
                mean_resists=float(np.mean([row.resists for row in good])) if good else float("nan"),
                best=best.detail.row.mutation if best else "", n=len(good), failed=len(own) - len(good),
                insertion_code=site.insertion_code,
            )
        )  # fmt: skip
    return tuple(found)
