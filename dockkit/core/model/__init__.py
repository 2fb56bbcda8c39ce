"""The records that travel between stages.

Every record is frozen and slotted; arrays inside are read-only copies whose shapes are checked when the record is made.
Lengths are in Angstrom, energies in kcal/mol, times in ps, charges in e.
"""

from __future__ import annotations

from dockkit.core.model.annotation import Annotation, KinaseDomain, PocketResidue
from dockkit.core.model.base import (
    BindingType,
    DfgState,
    FloatArray,
    HelixState,
    IntArray,
    Numbering,
    StateName,
    StrArray,
    freeze,
    frozen_array,
)
from dockkit.core.model.comparisons import (
    Components,
    Convergence,
    Difference,
    DynamicsComparison,
    DynamicsLeg,
    DynamicsStudy,
    LegRole,
    Observable,
    ResidueMap,
)
from dockkit.core.model.dynamics import Trajectory
from dockkit.core.model.energies import (
    STATE_TERM_NAMES,
    TERM_NAMES,
    Assembly,
    ComplexState,
    Estimate,
    Region,
    Stiffness,
)
from dockkit.core.model.ligands import (
    Ligand,
    LigandEntry,
    LigandParameters,
    Pose,
)
from dockkit.core.model.mutations import SideChainModel, Substitution, Variant
from dockkit.core.model.preparation import Change, ChangeKind, HetGroup, Link
from dockkit.core.model.proteins import (
    Conformation,
    Kinase,
    Receptor,
    StructureEntry,
)
from dockkit.core.model.results import (
    Call,
    ResistanceRow,
    RowDetail,
    StudyResult,
)

__all__ = [
    "Annotation",
    "Assembly",
    "BindingType",
    "Call",
    "Change",
    "ChangeKind",
    "ComplexState",
    "Components",
    "Conformation",
    "Convergence",
    "DfgState",
    "Difference",
    "DynamicsComparison",
    "DynamicsLeg",
    "DynamicsStudy",
    "Estimate",
    "FloatArray",
    "HelixState",
    "HetGroup",
    "IntArray",
    "Kinase",
    "KinaseDomain",
    "LegRole",
    "Ligand",
    "LigandEntry",
    "LigandParameters",
    "Link",
    "Numbering",
    "Observable",
    "PocketResidue",
    "Pose",
    "Receptor",
    "Region",
    "ResidueMap",
    "ResistanceRow",
    "RowDetail",
    "SideChainModel",
    "StateName",
    "StrArray",
    "Stiffness",
    "StructureEntry",
    "StudyResult",
    "Substitution",
    "STATE_TERM_NAMES",
    "TERM_NAMES",
    "Trajectory",
    "Variant",
    "freeze",
    "frozen_array",
]
