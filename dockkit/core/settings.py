"""Settings and study files: pydantic models that forbid unknown keys. A default lives here and nowhere else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dockkit.core.errors import SettingsError, nearest
from dockkit.core.library import library_dir
from dockkit.core.units import DEFAULT_TEMPERATURE


class StrictSettings(BaseModel):
    """Base of every model of settings: unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Checked = TypeVar("_Checked", bound=StrictSettings)


class MeasuredAtp(StrictSettings):
    """A measured constant of ATP with one variant: K_m or K_d, and where it is from."""

    variant: str = Field(min_length=1, description="a mutation of the study, or wild-type")
    km_um: float | None = Field(None, gt=0)
    kd_um: float | None = Field(None, gt=0)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_value(self) -> MeasuredAtp:
        if (self.km_um is None) == (self.kd_um is None):
            raise ValueError("give km_um or kd_um, one of the two")
        return self

    @property
    def value_um(self) -> float:
        """The constant, uM."""
        return self.km_um or self.kd_um or 0.0


class AtpSettings(StrictSettings):
    """The competition with cellular ATP."""

    include: bool = True
    n_magnesium: Literal[1, 2] = Field(2, description="magnesium ions with ATP")
    concentration_mm: float = Field(2.0, gt=0, le=100, description="cellular ATP, mM")
    km_wild_type_um: float = Field(25.0, gt=0, description="K_m of the wild type for ATP, uM")
    concentration_relative_error: float = Field(0.5, ge=0, description="standard uncertainty; 0.5: a factor of 1.5")
    km_relative_error: float = Field(0.5, ge=0, description="standard uncertainty of K_m and K_d values")
    measured: list[MeasuredAtp] = Field(default=[], description="used instead of km_wild_type_um and ddG_ATP")

    def measured_um(self, variant: str) -> tuple[float, ...]:
        """Return the measured constants of a variant, uM; the order of several substitutions does not matter."""
        return tuple(item.value_um for item in self.measured if _same_variant(item.variant, variant))


def _same_variant(first: str, second: str) -> bool:
    def parts(text: str) -> tuple[str, ...]:
        plain = text.strip().lower().replace("wildtype", "wild-type")
        if plain in ("wt", "wild-type", "wild type"):
            return ("wild-type",)
        return tuple(sorted(re.split(r"[/+;, ]+", plain)))

    return parts(first) == parts(second)


class ResistanceSettings(StrictSettings):
    """What counts as resistance where its probability is given."""

    fold: float = Field(10.0, gt=1, description="fold change of IC50 that the probability is about")


class PreparationSettings(StrictSettings):
    """How a chain is made ready for modelling."""

    ph: float = Field(7.4, ge=0, le=14)
    protonation: Literal["propka", "model"] = Field("propka", description="pK_a from PROPKA, or the model values")
    flips: bool = Field(True, description="turn Asn, Gln and His by 180 degrees where hydrogen bonds say so")
    waters: Literal["bridging", "none"] = Field("bridging", description="waters between ligand and protein")
    metals: Literal["keep", "none"] = Field("keep", description="ions held by the protein")
    phosphorylation: Literal["keep", "revert"] = Field("keep", description="phosphorylated Ser, Thr and Tyr")
    longest_loop: int = Field(12, ge=0, le=20, description="missing stretches up to this many residues are built")


class StructureSettings(PreparationSettings):
    """Which library structure (or file) stands for each conformation; empty lets dockkit choose."""

    dfg_in: str = ""
    dfg_out: str = ""
    chain: str = ""
    waters: Literal["bridging", "none"] = "none"

    @property
    def preparation(self) -> dict[str, Any]:
        """What :class:`PreparationSettings` takes."""
        return self.model_dump(mode="json", include=set(PreparationSettings.model_fields))


class LigandSettings(StrictSettings):
    """How molecules are read."""

    keep_state: bool = Field(False, description="take protonation and tautomer as they are written")
    enumerate_stereo: bool = Field(False, description="each isomer of an undefined stereocentre gets a row of its own")


class RescoreSettings(StrictSettings):
    """Refinement of docked poses before one is chosen: minimisation with the side chains around, then MM-GBSA."""

    max_poses: int = Field(9, ge=0, le=50, description="poses that are refined, first one of each cluster; 0: none")
    shell_angstrom: float = Field(4.0, ge=0, description="residues this near to any of the poses move")
    cutoff_angstrom: float = Field(9.0, gt=0)
    dielectric: float = Field(4.0, ge=1)
    backbone_restraint_kcal_mol_a2: float = Field(5.0, ge=0)
    max_iterations: int = Field(150, ge=1)


class DockingSettings(StrictSettings):
    """The search for poses."""

    engine: str = Field("vina", min_length=1, description="name of an engine, or the path of a .py file that is one")
    exhaustiveness: int = Field(8, ge=1, le=512)
    n_poses: int = Field(9, ge=1, le=100)
    energy_range_kcal_mol: float = Field(4.0, gt=0)
    use_bound_pose: bool = True
    rescore: RescoreSettings = RescoreSettings()


class DockSettings(StrictSettings):
    """What ``dockkit dock`` and ``dockkit redock`` do with each structure and ligand."""

    seed: int = Field(2026, ge=0, le=2**31 - 1)
    chain: str = ""
    ligand_code: str = Field("", description="bound ligand that is meant, such as STI or STI:A:201")
    ligand_smiles: str = Field("", description="its molecule where the component dictionary does not know it")
    numbering: Literal["uniprot", "author"] = "uniprot"
    box: str = Field("auto", min_length=1, description="auto, ligand, pocket, or x,y,z,a,b,c in Angstrom")
    flexible: tuple[str, ...] = Field((), description="gatekeeper, neighbours, or residues such as T315")
    checks: bool = Field(True, description="PoseBusters checks of every pose")
    rescore: bool = Field(False, description="minimise the poses and choose by MM-GBSA")
    cluster_angstrom: float = Field(2.0, gt=0, description="poses within this RMSD of a better one are one cluster")
    success_angstrom: float = Field(2.0, gt=0, description="redock: a pose within this RMSD of the crystal is right")
    docking: DockingSettings = DockingSettings()
    preparation: PreparationSettings = PreparationSettings(waters="none")
    ligands: LigandSettings = LigandSettings()


class RelaxSettings(StrictSettings):
    """Minimisation of a shell around the mutation, the ligand with it; no implicit solvent, charges scaled."""

    shell_angstrom: float = Field(6.0, gt=0, description="residues this near to a mutated one move at first")
    strain_angstrom: float = Field(4.0, ge=0, description="residues this near relax with and without ligand")
    dielectric: float = Field(4.0, ge=1)
    cutoff_angstrom: float = Field(10.0, gt=0)
    start_restraint_kcal_mol_a2: float = Field(1.0, ge=0, description="on the main chain, in the common start")
    backbone_restraint_kcal_mol_a2: float = Field(0.2, ge=0, description="on the main chain, afterwards")
    max_iterations: int = Field(500, ge=0)
    strain_iterations: int = Field(1000, ge=0)
    strain_tolerance: float = Field(1.0, gt=0, description="root-mean-square force at the end, kJ/mol/nm")
    n_rotamers: int = Field(5, ge=1, le=10, description="conformers of the mutated side chains that are relaxed")
    rotamer_scale_kcal_mol: float = Field(2.0, gt=0, description="energy over which a conformer's weight falls by e")
    n_starts: int = Field(2, ge=1, le=20, description="starts of the likeliest conformer")
    start_noise_angstrom: float = Field(0.05, ge=0)


class EnergySettings(StrictSettings):
    """MM-GBSA single points."""

    solute_dielectric: float = Field(2.0, ge=1)
    solvent_dielectric: float = Field(78.5, gt=1)
    include_surface: bool = True
    subset_angstrom: float = Field(12.0, gt=0, description="residues this near to the ligand, or mutated, count")


Preset = Literal["pocket", "implicit", "explicit"]

MD_PRESETS: Final[dict[str, dict[str, Any]]] = {
    "pocket": {},
    "implicit": {
        "replicas": 3,
        "equilibration_ps": 40.0,
        "production_ps": 1000.0,
        "frame_ps": 5.0,
        "segment_ps": 20.0,
        "dielectric": 1.0,
        "cutoff_angstrom": 12.0,
        "backbone_restraint_kcal_mol_a2": 0.0,
    },
    "explicit": {
        "replicas": 3,
        "equilibration_ps": 300.0,
        "production_ps": 5000.0,
        "frame_ps": 10.0,
        "segment_ps": 250.0,
        "dielectric": 1.0,
        "cutoff_angstrom": 9.0,
        "backbone_restraint_kcal_mol_a2": 0.0,
    },
}
"""What each preset sets where a study does not; the rest is as in :class:`MdSettings`."""


class MdSettings(StrictSettings):
    """Dynamics: a pocket in frozen surroundings, the whole domain in implicit solvent, or in a box of water."""

    enabled: bool = True
    preset: Preset = "pocket"
    replicas: int = Field(2, ge=1)
    equilibration_ps: float = Field(2.0, ge=0)
    production_ps: float = Field(10.0, gt=0)
    frame_ps: float = Field(0.5, gt=0)
    segment_ps: float = Field(10.0, gt=0)
    dielectric: float = Field(4.0, ge=1)
    cutoff_angstrom: float = Field(9.0, gt=0)
    backbone_restraint_kcal_mol_a2: float = Field(0.1, ge=0)
    step_fs: float = Field(4.0, gt=0, le=5)
    friction_per_ps: float = Field(1.0, gt=0)
    temperature_kelvin: float = Field(300.0, gt=0)
    shell_angstrom: float = Field(5.0, gt=0, description="pocket: residues this near to the ligand or mutation move")
    frozen_angstrom: float = Field(8.0, gt=0, description="pocket: residues this near to a moving one are kept")
    padding_angstrom: float = Field(10.0, ge=5, description="explicit: water around the solute")
    ionic_strength_molar: float = Field(0.15, ge=0, le=2, description="explicit: NaCl beside the neutralising ions")
    pressure_bar: float = Field(1.01325, gt=0, description="explicit: of the barostat")
    keep_solvent: bool = Field(False, description="explicit: bulk water and ions stay in the trajectory files")
    platform: str = Field("", description="OpenMM platform or gpu; empty takes the fastest that works")

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        preset = data.get("preset", "pocket")
        return {**MD_PRESETS.get(preset, {}), **data} if isinstance(preset, str) else data


class PanelSettings(StrictSettings):
    """Mutations x inhibitors: what counts as covered, and how often each mutation was seen."""

    covered_fold: float | None = Field(
        None, gt=1, description="an inhibitor holds a mutation up to this fold change; default resistance.fold"
    )
    cases: dict[str, float] = Field({}, description="mutation to the number of cases; empty weighs all alike")


class ScanSettings(StrictSettings):
    """Substitutions at the residues around a ligand."""

    within_angstrom: float = Field(5.0, gt=0, le=20, description="heavy atoms of residue and ligand")
    single_nucleotide: bool = Field(False, description="only substitutions that one changed nucleotide makes")
    transition_rate: float = Field(4.0, gt=0, description="rate of a transition, that of a transversion being 1")
    resistant_fold: float | None = Field(
        None, gt=1, description="a substitution resists above this fold change; default the study's resistance.fold"
    )


class Study(StrictSettings):
    """One study: a kinase, its mutations and the inhibitors to compare."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    question: str = ""
    kinase: str
    mutations: list[str] = Field(min_length=1)
    inhibitors: list[str] = Field(min_length=1)
    numbering: Literal["uniprot", "author"] = "uniprot"
    seed: int = Field(2026, ge=0, le=2**31 - 1)
    temperature_kelvin: float = Field(DEFAULT_TEMPERATURE, gt=0)
    atp: AtpSettings = AtpSettings()
    resistance: ResistanceSettings = ResistanceSettings()
    structures: StructureSettings = StructureSettings()
    ligands: LigandSettings = LigandSettings()
    docking: DockingSettings = DockingSettings()
    relax: RelaxSettings = RelaxSettings()
    energy: EnergySettings = EnergySettings()
    md: MdSettings = MdSettings()
    panel: PanelSettings = PanelSettings()

    @field_validator("mutations", "inhibitors")
    @classmethod
    def _no_repeats(cls, values: list[str]) -> list[str]:
        if len({value.lower() for value in values}) != len(values):
            raise ValueError("an entry is given twice")
        return values


def _valid_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    for key in path:
        annotation = model.model_fields[key].annotation if key in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def validate_study(data: dict[str, Any], where: str) -> Study:
    """Return the study in ``data``.

    Parameters
    ----------
    data : dict
        As read from TOML.
    where : str
        File name for messages.

    Returns
    -------
    Study
        Checked, with defaults filled in.

    Raises
    ------
    SettingsError
        A key is unknown, missing or has a wrong value; the message names it and the nearest valid key.
    """
    return validated(Study, data, where)


def validate_preparation(data: dict[str, Any]) -> PreparationSettings:
    """Return the settings of a preparation.

    Raises
    ------
    SettingsError
        As in :func:`validate_study`.
    """
    return validated(PreparationSettings, data, "preparation")


def validate_md(data: dict[str, Any]) -> MdSettings:
    """Return the settings of dynamics.

    Raises
    ------
    SettingsError
        As in :func:`validate_study`.
    """
    return validated(MdSettings, data, "md")


def validate_scan(data: dict[str, Any]) -> ScanSettings:
    """Return the settings of a scan.

    Raises
    ------
    SettingsError
        As in :func:`validate_study`.
    """
    return validated(ScanSettings, data, "scan")


def validate_dock(data: dict[str, Any]) -> DockSettings:
    """Return the settings of a docking.

    Raises
    ------
    SettingsError
        As in :func:`validate_study`.
    """
    return validated(DockSettings, data, "dock")


def validated(model: type[_Checked], data: dict[str, Any], where: str) -> _Checked:
    """Return the settings in ``data``; a SettingsError that names each wrong key and the nearest valid one."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            location = item["loc"]
            key = ".".join(str(part) for part in location)
            if item["type"] == "extra_forbidden":
                hint = nearest(str(location[-1]), _valid_keys(model, location[:-1]))
                lines.append(f"unknown key '{key}'; {hint}")
            elif not location:
                lines.append(item["msg"].removeprefix("Value error, "))
            elif item["type"] == "missing":
                lines.append(f"key '{key}' is missing")
            else:
                lines.append(f"key '{key}': {item['msg']} (got {item['input']!r})")
        raise SettingsError(f"{where}: " + "; ".join(lines)) from error


def bundled_studies() -> dict[str, Path]:
    """Return the bundled study files by name."""
    return {path.stem: path for path in sorted(library_dir("workflows").glob("*.toml"))}


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; a SettingsError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: not a readable TOML file ({error})") from error


def load_study(name_or_path: str) -> Study:
    """Read a study from a TOML file or the bundled workflows.

    Parameters
    ----------
    name_or_path : str
        A path, or a name that ``dockkit run --list`` shows.

    Returns
    -------
    Study
        The checked study.

    Raises
    ------
    SettingsError
        No such study, unreadable TOML, or a bad key.
    """
    bundled = bundled_studies()
    path = Path(name_or_path)
    if name_or_path in bundled:
        path = bundled[name_or_path]
    elif not path.is_file():
        raise SettingsError(
            f"no study '{name_or_path}': neither a file nor a bundled study; {nearest(name_or_path, bundled)}"
        )
    data = read_toml(path)
    data.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "study")
    return validate_study(data, str(path))
