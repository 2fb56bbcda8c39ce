"""Which structure a ligand is modelled in, and what the user should know about that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dockkit.core.errors import StructureError
from dockkit.core.model import LigandEntry, StructureEntry

WANTED_DFG: Final = {"II": "out", "IV": "out"}
"""DFG state that a binding type needs; every other type binds DFG-in."""

_FALLBACK: Final = {"out": ("out", "inter", "unknown", "in"), "in": ("in", "inter", "unknown", "out")}
_WANTED_HELIX: Final = {"I": "in", "nucleotide": "in", "I1/2": "out", "III": "out"}
"""Type II binders have no preference here: what decides for them is DFG-out."""


def wanted_dfg(binding_type: str) -> str:
    """Return the DFG state, ``in`` or ``out``, that a ligand of this binding type needs.

    Type II inhibitors occupy the pocket that the DFG flip opens; types I, I1/2 and nucleotides bind DFG-in (Roskoski,
    Pharmacol. Res. 2016, 103, 26-48).
    """
    return WANTED_DFG.get(binding_type, "in")


def choose_entry(entries: Sequence[StructureEntry], binding_type: str, ligand: str) -> StructureEntry:
    """Return the library structure to model a ligand in.

    In this order: the DFG state the binding type needs; a crystal pose of this very ligand; not one that was made
    for other binding types (``suits``); a crystal before a model; the alpha-C state the binding type prefers; the
    longer chain; the name.

    Parameters
    ----------
    entries : sequence of StructureEntry
        Those of the study's kinase.
    binding_type, ligand : str
        Of the ligand.

    Returns
    -------
    StructureEntry
        Its DFG state may differ from the one wanted where the library has no other.

    Raises
    ------
    StructureError
        There are no entries.
    """
    if not entries:
        raise StructureError("the library holds no structure of this kinase; name a file under [structures]")
    order = _FALLBACK[wanted_dfg(binding_type)]
    helix = _WANTED_HELIX.get(binding_type, "" if wanted_dfg(binding_type) == "out" else "in")

    def preference(entry: StructureEntry) -> tuple[int, bool, bool, bool, bool, int, str]:
        dfg = order.index(entry.dfg) if entry.dfg in order else len(order)
        other_ligand = entry.bound_ligand.lower() != ligand.lower()
        unsuited = bool(entry.suits) and binding_type not in entry.suits
        length = entry.last - entry.first
        return (dfg, other_ligand, unsuited, entry.modelled, entry.alpha_c != helix, -length, entry.name)

    return min(entries, key=preference)


def choice_warnings(name: str, dfg: str, binding_type: str, ligand: str, gene: str = "") -> list[str]:
    """Return what the user should know about modelling this ligand in this structure.

    Parameters
    ----------
    name, dfg : str
        Of the structure.
    binding_type, ligand : str
        Of the ligand.
    gene : str
        Of the kinase where the library had the choice; empty where the study names the structure.
    """
    wanted = wanted_dfg(binding_type)
    if dfg == wanted or (dfg == "unknown" and not gene):
        return []
    kind = f"a type {binding_type} inhibitor" if binding_type not in ("nucleotide", "unknown") else "this ligand"
    if not gene:
        return [f"{ligand}: {name} is DFG-{dfg}, and {kind} needs DFG-{wanted}, so its numbers are less certain"]
    return [
        f"{ligand}: the library has no DFG-{wanted} structure of {gene}, which {kind} needs; "
        f"{name} (DFG-{dfg}) is used, so its numbers are less certain"
    ]


def model_warning(entry: StructureEntry, ligands: Sequence[str]) -> list[str]:
    """Return the warning that these ligands stand in a modelled structure; none for a crystal."""
    if not entry.modelled:
        return []
    detail = f" {entry.expected_error.rstrip('.')}." if entry.expected_error else ""
    return [f"{', '.join(ligands)}: {entry.name} is a modelled structure, not a crystal.{detail}"]


def ligand_warnings(entry: LigandEntry | None, ligand: str) -> list[str]:
    """Return what the user should know about a ligand: type not known, allosteric."""
    if entry is None or entry.binding_type == "unknown":
        return [f"{ligand}: its binding type is not known; it is modelled in the DFG-in structure"]
    found = []
    if entry.binding_type in ("III", "IV"):
        found.append(
            f"{ligand}: type {entry.binding_type} inhibitors bind outside the ATP site, where dockkit docks; "
            "take its numbers as a control at most"
        )
    return found
