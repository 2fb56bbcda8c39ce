"""A table of steps that gives small, made-up but well-formed records at once: for tests of everything around science.

Energies follow a rule that a test can redo by hand: the mutant loses ``LOSS[ligand]`` kcal/mol, plus or minus 0.1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from fake_steps import FakeStep

from dockkit.core.errors import DockingError
from dockkit.core.model import (
    ComplexState,
    DynamicsComparison,
    Estimate,
    Ligand,
    LigandParameters,
    Pose,
    Receptor,
    Trajectory,
)

LOSS = {"imatinib": 4.0, "dasatinib": 0.2, "ATP.Mg": -1.0}

Params = dict[str, Any]
Inputs = dict[str, Any]

MOL_BLOCK = """{name}
     fake          3D

  2  1  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.4000    0.0000    0.0000 O   0  0
  1  2  1  0
M  END
"""


def receptor(params: Params, inputs: Inputs, work_dir: Path) -> Receptor:
    """Five residues around 315 of ABL1, one C-alpha and one N each."""
    names = ["ILE", "ILE", "THR", "GLU", "PHE"]
    n = len(names)
    xyz = np.array([[3.8 * i + 0.5 * (j - 1), 4.0 + j, 0.3 * i] for i in range(n) for j in range(3)])
    return Receptor(
        name="abl1-fake", kinase="ABL1", uniprot="P00519", source="fake", modelled=False,
        atom_names=["N", "CA", "C"] * n, elements=["N", "C", "C"] * n, atom_residue=np.repeat(np.arange(n), 3),
        coordinates=xyz, residue_names=names, chain_ids=["A"] * n, insertion_codes=[""] * n,
        author_numbers=range(313, 313 + n), uniprot_numbers=range(313, 313 + n), segments=[0] * n,
    )  # fmt: skip


def ligand(params: Params, inputs: Inputs, work_dir: Path) -> Ligand:
    """Carbon and oxygen under the name asked for."""
    name = params["ligand"]
    return Ligand(name, "CO", MOL_BLOCK.format(name=name), ["C", "O"], [0, 0], [[0, 0, 0], [1.4, 0, 0]])


def parameters(params: Params, inputs: Inputs, work_dir: Path) -> LigandParameters:
    """No interactions but a bond."""
    none = np.zeros((0, 2))
    return LigandParameters(
        "fake", "CO", "none", [12.0, 16.0], [0.1, -0.1], [3.4, 3.0], [0.1, 0.2], [[0, 1]], [[1.4, 300.0]],
        np.zeros((0, 3)), none, np.zeros((0, 4)), np.zeros((0, 3)), [[0, 1]], [[0, 1, 0]],
    )  # fmt: skip


def pose(params: Params, inputs: Inputs, work_dir: Path) -> Pose:
    """Where the ligand was made; dasatinib finds none with exhaustiveness 1."""
    molecule = inputs["ligand"]
    if molecule.name == "dasatinib" and params["docking"]["exhaustiveness"] == 1:
        raise DockingError("dasatinib: no pose in the box")
    return Pose(molecule.name, "abl1-fake", molecule.coordinates, "vina", -9.5, features=(("hinge", 1.0),))


def start(params: Params, inputs: Inputs, work_dir: Path) -> tuple[Receptor, Pose]:
    """The complex as it is."""
    return inputs["receptor"], inputs["pose"]


def state(params: Params, inputs: Inputs, work_dir: Path) -> ComplexState:
    """Two starts, 0.2 kcal/mol apart in the mutant."""
    name = inputs["ligand"].name
    shift = LOSS[name] * (params["state"] == "mutant")
    terms = np.array([[-40.0 + shift, -10.0, 12.0, -5.0, 0.0], [-40.0 + shift, -10.0, 12.0, -5.0, 0.0]])
    terms[1, 0] += 0.2 * (params["state"] == "mutant")
    body, placed = inputs["start"]
    return ComplexState(
        params["state"], params["variant"], body, name, placed.coordinates, terms,
        np.full((body.n_residues, 3), -1.0), 2.0, ("start 0", "start 1"), (),
    )  # fmt: skip


def dynamics(params: Params, inputs: Inputs, work_dir: Path) -> Trajectory:
    """Two replicas of three frames of noise."""
    rng = np.random.default_rng(params["seed"])
    start = inputs["complex"]
    body, n = start.receptor, len(start.ligand_coordinates)
    return Trajectory(
        params["state"], start.ligand, body, start.ligand_coordinates,
        start.ligand_coordinates + 0.1 * rng.normal(size=(2, 3, n, 3)),
        body.coordinates + 0.1 * rng.normal(size=(2, 3, body.n_atoms, 3)),
        [1, 2, 3], [0.5, 1.0, 1.5], rng.normal(size=(2, 3, 4)), np.full((2, 3), 300.0), [1, 2],
    )  # fmt: skip


def comparison(params: Params, inputs: Inputs, work_dir: Path) -> DynamicsComparison:
    """Flat lines."""
    ones, half = np.ones((2, 3)), Estimate(0.5, 0.1, 2)
    return DynamicsComparison(
        inputs["mutant"].time_ps, ones, ones, ones, ones, [314, 315], ["I314", "T315"], [0.5, 0.6], [0.5, 0.7],
        half, half, Estimate(0.1, 0.2, 2), 1.5, (),
    )  # fmt: skip


STEPS = {
    name: FakeStep("fake", function)
    for name, function in (
        ("receptor", receptor), ("ligand", ligand), ("parameters", parameters), ("pose", pose), ("start", start),
        ("state", state), ("dynamics", dynamics), ("comparison", comparison),
    )
}  # fmt: skip
