"""The steps of a docking: structure, site, ligand, poses; and the records they leave."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rdkit import Chem

from dockkit.core.errors import DockingError, InputError, StructureError
from dockkit.core.library import library_dir
from dockkit.core.model import FloatArray, IntArray, Kinase, Ligand, Numbering, Pose, Receptor, freeze
from dockkit.core.records import register
from dockkit.core.residues import one_letter
from dockkit.core.settings import DockingSettings, EnergySettings, PreparationSettings, RescoreSettings
from dockkit.docking.atp import place_atp
from dockkit.docking.box import Box, box_around, box_of_pocket, check_box, check_fits, parse_box
from dockkit.docking.checks import Validity, check_poses
from dockkit.docking.choose import choose_pose
from dockkit.docking.clusters import leader_clusters
from dockkit.docking.engines import find_engine
from dockkit.docking.flexible import flexible_residues, parse_flexible, requests_after
from dockkit.docking.search import dock_kinase
from dockkit.ligand import load_ligand, to_rdkit
from dockkit.ligand.conformer import embed, positions
from dockkit.mutation import build_variant, check_variant, displaced_waters, parse_variant, site_indices, without_waters
from dockkit.pipeline.prepare import prepare_structure
from dockkit.pipeline.rescore import choose_refined
from dockkit.pipeline.steps import STEPS, Inputs, Params, Step
from dockkit.pipeline.variants import with_wild_type
from dockkit.structure import catalogue

POCKET_SITES: Final = ("atp", "back")
"""Sites of a bound ligand that a search box is taken from unasked."""


@register
@dataclass(frozen=True, slots=True)
class PreparedTarget:
    """A structure ready to be docked into.

    Parameters
    ----------
    receptor : Receptor
    kinase : Kinase
    reference : Ligand or None
        The bound ligand, in the structure's frame.
    reference_label, reference_site : str
        Such as ``STI A:201`` and ``atp``; empty where there is none.
    covalent : str
        The residue that the ligand is bonded to; empty for none.
    refused : tuple of str
        Groups of the file that could not be made a ligand, with the reason.
    library_box : tuple of float
        Centre and edges of the library's box, Angstrom; empty where the structure is the user's.
    """

    receptor: Receptor
    kinase: Kinase
    reference: Ligand | None
    reference_label: str = ""
    reference_site: str = ""
    covalent: str = ""
    refused: tuple[str, ...] = ()
    library_box: tuple[float, ...] = ()


@register
@dataclass(frozen=True, slots=True)
class DockSite:
    """Where to search: the receptor, mutated or not, its box, and the residues that move."""

    receptor: Receptor
    kinase: Kinase
    center: tuple[float, float, float]
    size: tuple[float, float, float]
    box_source: str
    flexible: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def box(self) -> Box:
        """The search box."""
        return Box(self.center, self.size, self.box_source)


@register
@dataclass(frozen=True, slots=True)
class DockedPose:
    """One pose with what is known of it.

    Parameters
    ----------
    pose : Pose
        ``features`` and ``reason`` are filled in.
    cluster : int
        From 1, in the order of the clusters' best poses.
    n_checks : int
        PoseBusters checks that were made; 0 where none were.
    failed : tuple of str
        Those that failed.
    moved : (n_moved,) int
        Receptor atoms that the pose moves.
    moved_coordinates : (n_moved, 3) float
        Where to, Angstrom.
    """

    pose: Pose
    cluster: int
    n_checks: int
    failed: tuple[str, ...]
    moved: IntArray
    moved_coordinates: FloatArray

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, "moved", np.int64, (None,))
        freeze(self, "moved_coordinates", np.float64, (len(self.moved), 3))

    @property
    def valid(self) -> bool | None:
        """Whether every check was passed; None where none was made."""
        return not self.failed if self.n_checks else None

    def receptor(self, receptor: Receptor) -> Receptor:
        """Return the site's receptor with the side chains as this pose has them."""
        if not len(self.moved):
            return receptor
        xyz = np.array(receptor.coordinates)
        xyz[self.moved] = self.moved_coordinates
        return dataclasses.replace(receptor, coordinates=xyz)


@register
@dataclass(frozen=True, slots=True)
class DockedLigand:
    """Every pose of one ligand in one site, best engine score first, and which one was chosen and why."""

    poses: tuple[DockedPose, ...]
    chosen: int
    reason: str

    @property
    def best(self) -> DockedPose:
        """The chosen pose."""
        return self.poses[self.chosen]


def counted(receptor: Receptor, kinase: Kinase) -> Receptor:
    """Return a receptor whose UniProt numbers count as the kinase does; one that the table lacks counts as its file."""
    return receptor if kinase.gene else dataclasses.replace(receptor, uniprot_numbers=receptor.author_numbers)


def run_structure(params: Params, inputs: Inputs, work_dir: Path) -> PreparedTarget:
    """Prepare a structure and take its bound ligand out."""
    prepared = prepare_structure(
        params["structure"],
        chain=params["chain"],
        ligand_code=params["ligand_code"],
        ligand_smiles=params["ligand_smiles"],
        settings=PreparationSettings(**params["preparation"]),
        seed=params["seed"],
    )
    receptor = dataclasses.replace(prepared.receptor, name=params["label"])
    refused = tuple(f"{label}: {reason}" for label, reason in prepared.refused)
    bound = prepared.ligand
    entry = next((item for item in catalogue() if item.name == params["structure"]), None)
    box = (*entry.box_center, *entry.box_size) if entry else ()
    if bound is None and entry is not None and entry.bound_ligand_file:
        ligand = load_ligand(str(library_dir("structures") / entry.bound_ligand_file), seed=params["seed"])
        return PreparedTarget(receptor, prepared.kinase, ligand, entry.bound_ligand, "atp", "", refused, box)
    if bound is None:
        return PreparedTarget(receptor, prepared.kinase, None, refused=refused, library_box=box)
    bonds = ", ".join(bond.partner for bond in bound.bonds)
    return PreparedTarget(
        receptor, prepared.kinase, bound.ligand, bound.label, bound.found.site, bonds, refused, box
    )  # fmt: skip


def run_site(params: Params, inputs: Inputs, work_dir: Path) -> DockSite:
    """Mutate where asked for, choose the box, and find the residues that move."""
    target: PreparedTarget = inputs["structure"]
    numbering: Numbering = params["numbering"]
    kinase, reference = target.kinase, target.reference
    receptor, notes = _mutated(target, params["mutation"], numbering)
    box = _box(params["box"], target)
    check_box(box, receptor)
    requests = parse_flexible(params["flexible"])
    if params["mutation"]:
        requests = requests_after(requests, parse_variant(params["mutation"]))
    moving = flexible_residues(counted(receptor, kinase), kinase, requests, numbering)
    if params["flexible"] and not moving:
        notes = (*notes, f"no side chain moves: {', '.join(params['flexible'])} has none that turns here")
    if reference is not None and target.covalent:
        notes = (*notes, f"{target.reference_label} is bonded to {target.covalent} in the structure")
    return DockSite(receptor, kinase, box.center, box.size, box.source, moving, notes)


def _mutated(target: PreparedTarget, text: str, numbering: Numbering) -> tuple[Receptor, tuple[str, ...]]:
    """Return the receptor with a mutation built around the bound ligand, and what was done."""
    receptor, reference = target.receptor, target.reference
    if not text:
        return receptor, ()
    variant = parse_variant(text)
    check_variant(receptor, variant, numbering, target.kinase.sequence if target.kinase.gene else "")
    indices = site_indices(receptor, variant, numbering)
    letters = {
        site.number: one_letter(str(receptor.residue_names[index]))
        for site, index in zip(variant.substitutions, indices, strict=True)
    }
    model = build_variant(
        receptor,
        with_wild_type(variant, letters),
        numbering=numbering,
        ligand_coordinates=reference.coordinates if reference else None,
        ligand_elements=reference.elements if reference else None,
        n_models=1,
    )[0]
    built = without_waters(model.receptor, displaced_waters(model.receptor, indices))
    return built, (f"{variant.label} built: {'; '.join(model.rotamers)}", *model.clashes)


def _box(text: str, target: PreparedTarget) -> Box:
    given = parse_box(text)
    if given is not None:
        return given
    receptor, reference = target.receptor, target.reference
    if text == "auto" and target.library_box:
        x, y, z, a, b, c = target.library_box
        return Box((x, y, z), (a, b, c), "the library's box of this structure")
    if text == "ligand" or (text == "auto" and reference is not None and target.reference_site in POCKET_SITES):
        if reference is None:
            refused = f" ({'; '.join(target.refused)})" if target.refused else ""
            raise InputError(
                f"{receptor.name}: no bound ligand to put the search box around{refused}; use --box pocket, or give one"
            )
        return box_around(reference.coordinates[reference.elements != "H"], f"around {target.reference_label}")
    return box_of_pocket(counted(receptor, target.kinase), target.kinase)


def run_fresh(params: Params, inputs: Inputs, work_dir: Path) -> Ligand:
    """Give the structure's own ligand a conformer that knows nothing of the crystal; its atom order stays."""
    target: PreparedTarget = inputs["structure"]
    if target.reference is None:
        refused = f": {'; '.join(target.refused)}" if target.refused else ""
        raise StructureError(
            f"{target.receptor.name}: no bound ligand to dock again{refused}; name it with --ligand-code, or take "
            "dockkit dock for a ligand of your own"
        )
    ligand = target.reference
    molecule = to_rdkit(ligand)
    Chem.AssignStereochemistryFrom3D(molecule)
    fresh = Chem.Mol(molecule)
    fresh.RemoveAllConformers()
    embed(fresh, ligand.name, params["seed"])
    return dataclasses.replace(ligand, coordinates=positions(fresh), pose_given=False)


def run_poses(params: Params, inputs: Inputs, work_dir: Path) -> DockedLigand:
    """Search, cluster, check and choose."""
    site: DockSite = inputs["site"]
    ligand: Ligand = inputs["ligand"]
    receptor = counted(site.receptor, site.kinase)
    found = _search(receptor, ligand, site, params)
    coordinates = [pose.coordinates for pose, _ in found]
    moved = [_moved(site.receptor, xyz) for _, xyz in found]
    clusters = leader_clusters(ligand, coordinates, params["cluster_angstrom"])
    checks: list[Validity | None] = [None] * len(found)
    if params["checks"]:
        checks = _checked(site.receptor, ligand, found)
    described = [_described(pose, receptor, xyz, ligand, site.kinase) for pose, xyz in found]
    chosen, reason = _chosen(described, checks, receptor, ligand, site.kinase)
    return DockedLigand(
        tuple(
            DockedPose(pose, int(cluster), _n_checks(check), check.failed if check else (), *atoms)
            for pose, cluster, check, atoms in zip(described, clusters, checks, moved, strict=True)
        ),
        chosen,
        reason,
    )


def run_choice(params: Params, inputs: Inputs, work_dir: Path) -> DockedLigand:
    """Choose again, by MM-GBSA energies of minimised poses beside score and features; poses stay as docked."""
    site: DockSite = inputs["site"]
    result: DockedLigand = inputs["poses"]
    if len(result.poses) < 2:
        return result
    good = [k for k, item in enumerate(result.poses) if item.valid is not False] or list(range(len(result.poses)))
    candidates = [result.poses[k].pose for k in good]
    receptor, ligand, parameters = counted(site.receptor, site.kinase), inputs["ligand"], inputs["parameters"]
    said = _passed_over(len(result.poses), len(good), any(item.failed for item in result.poses))
    kinase: Kinase | None = site.kinase
    try:
        choose_pose(candidates, receptor, ligand, kinase)
    except DockingError as error:
        kinase, said = None, f" It could not be judged as a kinase's ({error}).{said}"
    rescore, energy = RescoreSettings(**params["rescore"]), EnergySettings(**params["energy"])
    best = choose_refined(candidates, receptor, ligand, kinase, parameters, rescore, energy, len(result.poses))
    chosen = next(k for k in good if result.poses[k].pose.rank == best.rank)
    poses = list(result.poses)
    poses[chosen] = dataclasses.replace(poses[chosen], pose=best)
    return DockedLigand(tuple(poses), chosen, best.reason + said)


def _passed_over(n_poses: int, n_good: int, any_failed: bool) -> str:
    """Say how many poses failed a check, all of them being good where all fail."""
    if n_good < n_poses:
        return f" {n_poses - n_good} of {n_poses} poses failed a check and were passed over."
    return " Every pose fails a check." if any_failed else ""


Found = list[tuple[Pose, FloatArray | None]]


def _search(receptor: Receptor, ligand: Ligand, site: DockSite, params: Params) -> Found:
    """Return the poses, best score first, each with the receptor's coordinates where side chains moved."""
    settings = DockingSettings(**params["docking"], engine=params["engine"])
    seed, cpu = params["seed"], params["cpu"]
    if ligand.entry is not None and ligand.entry.binding_type == "nucleotide":
        return [(place_atp(receptor, ligand, site.kinase, seed), None)]
    check_fits(site.box, ligand)
    if not site.flexible:
        return [
            (p, None) for p in dock_kinase(receptor, ligand, site.kinase, site.center, site.size, settings, seed, cpu)
        ]
    engine = find_engine(settings.engine)
    if engine.dock_flexible is None:
        raise DockingError(f"the docking engine '{engine.name}' cannot move side chains")
    return list(engine.dock_flexible(receptor, ligand, site.flexible, site.center, site.size, settings, seed, cpu))


def _moved(receptor: Receptor, coordinates: FloatArray | None) -> tuple[IntArray, FloatArray]:
    if coordinates is None:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 3))
    atoms = np.flatnonzero(np.linalg.norm(coordinates - receptor.coordinates, axis=1) > 1e-6)
    return atoms, coordinates[atoms]


def _checked(receptor: Receptor, ligand: Ligand, found: Found) -> list[Validity | None]:
    """Return what the checks say; ATP with its ions is several molecules, which they do not take."""
    if len(Chem.GetMolFrags(to_rdkit(ligand))) > 1:
        return [None] * len(found)
    moved = [xyz for _, xyz in found if xyz is not None]
    return list(check_poses(receptor, ligand, [pose.coordinates for pose, _ in found], moved or None))


def _n_checks(check: Validity | None) -> int:
    return len(check.passed) + len(check.failed) if check is not None else 0


def _described(pose: Pose, receptor: Receptor, moved: FloatArray | None, ligand: Ligand, kinase: Kinase) -> Pose:
    """Return a pose with its kinase features, where it can be judged."""
    if pose.features:
        return pose
    held = receptor if moved is None else dataclasses.replace(receptor, coordinates=moved)
    try:
        features = choose_pose((pose,), held, ligand, kinase).features
    except DockingError:
        return pose
    return dataclasses.replace(pose, features=tuple(item for item in features if item[0] != "cluster_size"))


def _chosen(
    poses: list[Pose], checks: list[Validity | None], receptor: Receptor, ligand: Ligand, kinase: Kinase
) -> tuple[int, str]:
    """Return the index of the chosen pose and why; one that fails a check only where all do."""
    good = [k for k, check in enumerate(checks) if check is None or check.valid] or list(range(len(poses)))
    said = _passed_over(len(poses), len(good), any(check is not None and not check.valid for check in checks))
    if poses[0].reason:
        return 0, poses[0].reason
    candidates = [poses[k] for k in good]
    try:
        best = choose_pose(candidates, receptor, ligand, kinase, n_docked=len(poses))
    except DockingError as error:
        return good[0], f"the engine's best score; the pose could not be judged as a kinase's ({error}).{said}"
    return next(k for k in good if poses[k].rank == best.rank), best.reason + said


DOCK_STEPS: dict[str, Step] = {
    "ligand": STEPS["ligand"],
    "dock-structure": Step("1", run_structure),
    "dock-site": Step("2", run_site),
    "dock-fresh": Step("1", run_fresh),
    "dock-poses": Step("2", run_poses),
    "parameters": STEPS["parameters"],
    "dock-choice": Step("2", run_choice),
}
"""Beside a study's own steps."""
