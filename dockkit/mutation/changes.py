"""The record of a built variant, residue by residue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dockkit.core.model import Change, ChangeKind, Receptor, Variant
from dockkit.core.residues import residue_templates
from dockkit.mutation.candidates import frame_of, measured_chis, residue_atoms
from dockkit.mutation.quality import Clash, charge_change
from dockkit.mutation.waters import displaced_waters

PROLINE_PHI: Final = (-110.0, -35.0)
"""Main-chain phi that a proline takes, degrees."""


@dataclass(frozen=True, slots=True)
class Built:
    """What building did to a receptor, residue indices of both receptors.

    Parameters
    ----------
    before, after : Receptor
    variant : Variant
    sites : tuple of int
        In the variant's order.
    repacked, kept, turned, freed : tuple of int
        Neighbours given another rotamer; sites left as in the input; residues whose hydrogens were turned; cysteines
        whose disulfide was broken.
    probabilities : tuple of float
        Of each site's rotamer.
    moved : dict of int to float
        Largest heavy-atom move that made room, Angstrom.
    clashes : tuple of Clash
    """

    before: Receptor
    after: Receptor
    variant: Variant
    sites: tuple[int, ...]
    repacked: tuple[int, ...]
    kept: tuple[int, ...]
    probabilities: tuple[float, ...]
    moved: dict[int, float]
    turned: tuple[int, ...]
    freed: tuple[int, ...]
    clashes: tuple[Clash, ...]


def _change(receptor: Receptor, index: int, kind: ChangeKind, what: str, why: str = "") -> Change:
    return Change(
        kind, what, why, str(receptor.residue_names[index]), str(receptor.chain_ids[index]),
        int(receptor.author_numbers[index]), str(receptor.insertion_codes[index]), int(receptor.uniprot_numbers[index]),
    )  # fmt: skip


def _angles(receptor: Receptor, index: int) -> str:
    template = residue_templates()[str(receptor.residue_names[index])]
    chis = measured_chis(template, residue_atoms(receptor, index))
    return "chi " + " ".join(f"{chi:.0f}" for chi in chis) if len(chis) else "no chi angle"


def _main_chain_warning(receptor: Receptor, index: int) -> str:
    """Say where a main chain does not suit the new residue."""
    phi, name = frame_of(receptor, index).phi, str(receptor.residue_names[index])
    if name == "PRO" and not PROLINE_PHI[0] <= phi <= PROLINE_PHI[1]:
        return f"phi {phi:.0f} is outside of what proline takes ({PROLINE_PHI[0]:.0f} to {PROLINE_PHI[1]:.0f})"
    if name not in ("GLY", "ASN", "ASP") and phi > 20.0:
        return f"phi {phi:.0f} is strained for a residue with a side chain"
    return ""


def change_list(built: Built) -> list[Change]:
    """Return what was done: one Change per substituted, repacked or moved residue, freed cysteine and clash.

    Parameters
    ----------
    built : Built

    Returns
    -------
    list of Change
        Names and numbers are those of the residue before.
    """
    before, after = built.before, built.after
    changes = []
    for site, index, probability in zip(built.variant.substitutions, built.sites, built.probabilities, strict=True):
        if index in built.kept:
            changes.append(_change(before, index, "model", f"{site.label}: side chain kept as in the input"))
            continue
        charge = charge_change(before, after, [index])
        reasons = [f"rotamer probability {probability:.2g} at this main chain"]
        reasons += [f"charge {charge:+d} e"] if charge else []
        reasons += [text] if (text := _main_chain_warning(after, index)) else []
        reasons += [f"made room by {built.moved[index]:.1f} A"] if index in built.moved else []
        what = f"{site.label}: {after.residue_names[index]} built, {_angles(after, index)}"
        changes.append(_change(before, index, "model", what, "; ".join(reasons)))
    label = built.variant.label
    for index in built.repacked:
        changes.append(
            _change(before, index, "model", f"side chain repacked, {_angles(after, index)}", f"beside {label}")
        )
    for index, step in sorted(built.moved.items()):
        if index not in built.sites and index not in built.repacked:
            changes.append(_change(before, index, "model", f"moved by up to {step:.1f} A", f"room for {label}"))
    for index in built.freed:
        changes.append(_change(before, index, "disulfide", "disulfide broken: free cysteine", label))
    for index in built.turned:
        changes.append(_change(before, index, "protonation", "hydrogens placed anew", f"beside {label}"))
    for index, where in displaced_waters(after, [*built.sites, *built.repacked]).items():
        changes.append(_change(before, index, "water", "overlaps a built side chain", where))
    changes += [
        Change("model", f"{'ring threaded' if c.threaded else 'clash left'}: {c.sentence}", label)
        for c in built.clashes
    ]
    return changes
