"""docking.html: the ranked list and the chosen poses in 3-D, one file that opens without a network."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from dockkit.core.files import atomic_write_text
from dockkit.core.model import ComplexState, FloatArray, Kinase, Ligand, Numbering, Receptor, StrArray
from dockkit.report.page import page_environment
from dockkit.report.viewer import MAX_BYTES, Scene, SceneBuilder, orientation

MAX_ROWS: Final = 200
"""Rows of the list on the page; the table beside it has them all."""

CRYSTAL: Final = "crystal"
"""How the crystal's ligand is called in the view."""


@dataclass(frozen=True, slots=True)
class DockView:
    """One complex for the 3-D view.

    Parameters
    ----------
    id, title : str
        For the page.
    kinase : Kinase
    receptor : Receptor
        Side chains as the pose has them.
    ligand : Ligand
    coordinates : (n_atoms, 3) float
        Of the pose, Angstrom.
    sites : tuple of int
        Residues drawn thick, by number: mutated or moving ones.
    crystal : (n_heavy, 3) float or None
        Heavy atoms of the bound ligand in the crystal, drawn beside the pose.
    crystal_elements : (n_heavy,) str or None
    """

    id: str
    title: str
    kinase: Kinase
    receptor: Receptor
    ligand: Ligand
    coordinates: FloatArray
    sites: tuple[int, ...] = ()
    crystal: FloatArray | None = None
    crystal_elements: StrArray | None = None


@dataclass(frozen=True, slots=True)
class DockPage:
    """What the page says beside the 3-D view.

    Parameters
    ----------
    title, headline : str
    columns : tuple of (str, str)
        Key in a row and heading.
    rows : tuple of dict of str to str
        ``id`` names the view.
    notes : tuple of str
    facts : tuple of (str, str)
        How it was done.
    numbering : {"uniprot", "author"}
    redock : bool
    """

    title: str
    headline: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    numbering: Numbering
    redock: bool


def docking_scene(views: Sequence[DockView], numbering: Numbering) -> Scene:
    """Collect what the 3-D view needs; every complex is turned so that its N-lobe is above and its hinge to the left.

    Parameters
    ----------
    views : sequence of DockView
        The most important first.
    numbering : {"uniprot", "author"}

    Returns
    -------
    Scene
        Views that would make the page too big are named in ``left_out``.
    """
    builder: SceneBuilder | None = None
    packed: list[dict[str, Any]] = []
    left_out: list[str] = []
    for view in views:
        frame = _Frame(view.kinase, numbering)
        if builder is None:
            builder = SceneBuilder(frame, np.zeros(3))
        builder.result = frame
        if builder.size > MAX_BYTES:
            left_out.append(view.title)
            continue
        item = _packed(builder, _upright(view))
        builder.size += len(json.dumps(item))
        packed.append(item)
    if builder is None:
        return Scene("", 0, ())
    data = {
        "scale": 100.0,
        "rotation": np.eye(3).ravel().tolist(),
        "single": 1,
        "traces": builder.trace_list,
        "ligands": builder.ligand_list,
        "views": packed,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return Scene(text, len(packed), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the scene's builder reads of a study."""

    kinase: Kinase
    numbering: Numbering


def _upright(view: DockView) -> DockView:
    """Return a view with its ligand at the origin, turned like every other one."""
    centre = view.coordinates.mean(axis=0)
    turn = np.array(orientation(view.receptor, view.kinase, centre)).reshape(3, 3)

    def moved(xyz: FloatArray) -> FloatArray:
        return np.asarray((xyz - centre) @ turn.T)

    return dataclasses.replace(
        view,
        receptor=dataclasses.replace(view.receptor, coordinates=moved(view.receptor.coordinates)),
        coordinates=moved(view.coordinates),
        crystal=None if view.crystal is None else moved(view.crystal),
    )


def _with_crystal(view: DockView) -> Receptor:
    """Return the receptor with the crystal's ligand as one more residue, which the view then draws."""
    receptor = view.receptor
    if view.crystal is None or view.crystal_elements is None:
        return receptor
    n = len(view.crystal)
    return dataclasses.replace(
        receptor,
        atom_names=np.append(receptor.atom_names, [f"X{k}" for k in range(1, n + 1)]),
        elements=np.append(receptor.elements, view.crystal_elements),
        atom_residue=np.append(receptor.atom_residue, np.full(n, receptor.n_residues)),
        coordinates=np.concatenate([receptor.coordinates, view.crystal]),
        residue_names=np.append(receptor.residue_names, CRYSTAL),
        chain_ids=np.append(receptor.chain_ids, ""),
        insertion_codes=np.append(receptor.insertion_codes, ""),
        author_numbers=np.append(receptor.author_numbers, 0),
        uniprot_numbers=np.append(receptor.uniprot_numbers, 0),
        segments=np.append(receptor.segments, int(receptor.segments.max()) + 1),
    )


def _packed(builder: SceneBuilder, view: DockView) -> dict[str, Any]:
    complex_receptor = _with_crystal(view)
    state = ComplexState(
        state="wild-type",
        variant="",
        receptor=complex_receptor,
        ligand=view.ligand.name,
        ligand_coordinates=view.coordinates,
        terms=np.zeros((0, 5)),
        per_residue=np.zeros((complex_receptor.n_residues, 3)),
        desolvation=0.0,
    )
    shown = builder.state(state, view.ligand, set(view.sites))
    last = shown["labels"].index(CRYSTAL) if CRYSTAL in shown["labels"] else -1
    if last >= 0:
        heat: list[float] = [-1.0] * len(shown["labels"])
        heat[last], shown["site"][last], shown["near"][last] = 1.0, 1, 1
        shown["heat"] = heat
        names = shown["names"].split(" ")
        shown["hbonds"] = [pair for pair in shown["hbonds"] if not names[pair[0]].startswith("X")]
    return {
        "id": view.id,
        "mutation": "",
        "name": view.title,
        "ligand": builder.ligand(view.ligand),
        "states": {"wild": shown},
    }


def write_docking_page(path: Path, page: DockPage, views: Sequence[DockView]) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    page : DockPage
    views : sequence of DockView
        The most important first.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    environment = page_environment()
    source = environment.loader
    assert source is not None
    scene = docking_scene(views, page.numbering)
    left_out = set(scene.left_out)
    style, script = (source.get_source(environment, name)[0] for name in ("style.css", "viewer.js"))
    shown = [view for view in views if view.title not in left_out]
    text = environment.get_template("docking.html.jinja").render(
        page=page,
        rows=page.rows[:MAX_ROWS],
        views=shown,
        ids={view.id for view in shown},
        scene=scene,
        style=Markup(style),
        script=Markup(script),
        scene_json=Markup(scene.json),
    )
    atomic_write_text(path, text)
