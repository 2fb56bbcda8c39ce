"""AM1-BCC charges from OpenFF's graph network (NAGL), evaluated in NumPy.

The weights are those of ``openff-gnn-am1bcc-0.1.0-rc.3`` in the package openff-nagl-models (CC-BY-4.0, Open Force
Field Initiative). A GraphSAGE network (Hamilton, Ying and Leskovec, NeurIPS 2017) turns each atom's environment into a
prior charge q, an electronegativity e and a hardness s; the charges that minimise
sum(e_i (Q_i - q_i) + s_i (Q_i - q_i)^2 / 2) under the constraint sum(Q_i) = formal charge are the answer
(Gilson et al. 2003; Wang et al. arXiv:1909.07903). The package's table of ready charges for very small molecules is
not used: the network answers for all. In bridged rings every equivalent smallest ring counts as a feature, so that the
charges do not depend on the order of the atoms; the original counts an arbitrary minimal set (selpercatinib: 0.018 e).
"""

from __future__ import annotations

import functools
import importlib.util
import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import ForceFieldError
from dockkit.core.model import FloatArray
from dockkit.forcefield.resonance import average_formal_charges

CHARGE_MODEL = "openff-gnn-am1bcc-0.1.0-rc.3"
"""Name of the weights file, which is also the name of the method."""


# --------------------------------------------------------------------------- reading the weights without torch


class _Ignored:
    """Stands for an object of the file that is not needed: it takes any arguments and any state."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class _PlainDict(dict[str, Any]):
    """Stands for dictionary types of the file."""


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Any:
    strides = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides).astype(np.float64)


_KNOWN_GLOBALS: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("collections", "OrderedDict"): _PlainDict,
    ("pytorch_lightning.utilities.parsing", "AttributeDict"): _PlainDict,
    ("openff.nagl.nn.activation", "ActivationFunction"): lambda value: value,
    ("torch.nn.modules.activation", "ReLU"): "ReLU",
    ("torch.nn.modules.activation", "Sigmoid"): "Sigmoid",
    ("openff.nagl.lookups", "AtomPropertiesLookupTableEntry"): _Ignored,
    ("openff.nagl.lookups", "PropertyProvenance"): _Ignored,
    ("numpy.core.multiarray", "scalar"): _Ignored,
    ("numpy", "dtype"): _Ignored,
    ("_codecs", "encode"): _Ignored,
    ("__builtin__", "set"): set,
}
"""The only names the reader knows; anything else in the file is refused, so no code of the file can run."""


class _WeightReader(pickle.Unpickler):
    """Reads a torch archive into dictionaries and NumPy arrays, and nothing else."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")), encoding="latin1")
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a global of the file."""
        try:
            return _KNOWN_GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"unexpected object {module}.{name}") from None

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """Return the storage behind a tensor."""
        _, dtype, key, _, size = pid
        return np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), dtype=dtype, count=size)


@dataclass(frozen=True)
class _Network:
    """The weights and the description of the features.

    ``layers`` are (neighbour weights, own weights, bias); ``hidden`` and ``output`` are (weights, bias).
    """

    features: tuple[dict[str, Any], ...]
    layers: tuple[tuple[FloatArray, FloatArray, FloatArray], ...]
    hidden: tuple[FloatArray, FloatArray]
    output: tuple[FloatArray, FloatArray]
    allowed_elements: frozenset[int]
    forbidden: tuple[str, ...]


def _weights_path() -> Path:
    spec = importlib.util.find_spec("openff.nagl_models")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "models" / "am1bcc" / f"{CHARGE_MODEL}.pt"
        if path.is_file():
            return path
    raise ForceFieldError(f"the weights {CHARGE_MODEL}.pt are missing; install the package openff-nagl-models")


@functools.cache
def _network() -> _Network:
    path = _weights_path()
    try:
        with zipfile.ZipFile(path) as archive:
            content = _WeightReader(archive, CHARGE_MODEL).load()
        return _build_network(content["hyperparameters"], content["state_dict"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ForceFieldError(
            f"{path}: not the weights of {CHARGE_MODEL} ({error}); reinstall openff-nagl-models"
        ) from error


def _build_network(settings: dict[str, Any], weights: dict[str, FloatArray]) -> _Network:
    config = settings["config"]
    convolution, readout = config["convolution"], config["readouts"]["am1bcc_charges"]
    described = [
        convolution["architecture"],
        *((layer["activation_function"], layer["aggregator_type"]) for layer in convolution["layers"]),
        *(layer["activation_function"] for layer in readout["layers"]),
        readout["postprocess"],
    ]
    n_layers = len(convolution["layers"])
    expected = ["SAGEConv", *[("ReLU", "mean")] * n_layers, "Sigmoid", "regularized_compute_partial_charges"]
    if described != expected or config["bond_features"]:
        raise ValueError(f"unexpected architecture {described}")
    layer = "convolution_module.gcn_layers.{}.{}"
    end = "readout_modules.am1bcc_charges.readout_layers.{}.{}"
    domain = settings["chemical_domain"]
    return _Network(
        features=tuple(config["atom_features"]),
        layers=tuple(
            (
                weights[layer.format(i, "fc_neigh.weight")],
                weights[layer.format(i, "fc_self.weight")],
                weights[layer.format(i, "fc_self.bias")],
            )
            for i in range(n_layers)
        ),
        hidden=(weights[end.format(0, "weight")], weights[end.format(0, "bias")]),
        output=(weights[end.format(3, "weight")], weights[end.format(3, "bias")]),
        allowed_elements=frozenset(domain["allowed_elements"]),
        forbidden=tuple(domain["forbidden_patterns"]),
    )


# --------------------------------------------------------------------------- evaluating the network


def _one_hot(values: list[Any], categories: list[Any], what: str) -> FloatArray:
    unknown = sorted({str(value) for value in values if value not in categories})
    if unknown:
        raise ForceFieldError(f"the charge model has no {what} {', '.join(unknown)}")
    return np.array([[value == category for category in categories] for value in values], dtype=np.float64)


def _feature_columns(molecule: Chem.Mol, feature: dict[str, Any]) -> FloatArray:
    atoms = list(molecule.GetAtoms())
    name = feature["name"]
    if name == "atomic_element":
        return _one_hot([atom.GetSymbol() for atom in atoms], feature["categories"], "element")
    if name == "atom_connectivity":
        return _one_hot([atom.GetDegree() for atom in atoms], feature["categories"], "number of bonds")
    if name == "atom_average_formal_charge":
        return average_formal_charges(molecule)[:, np.newaxis]
    if name == "atom_in_ring_of_size":
        return np.array([[atom.IsInRingSize(feature["ring_size"])] for atom in atoms], dtype=np.float64)
    raise ForceFieldError(f"the charge model asks for an unknown feature '{name}'")


def _check_domain(molecule: Chem.Mol, network: _Network) -> None:
    foreign = {a.GetSymbol() for a in molecule.GetAtoms() if a.GetAtomicNum() not in network.allowed_elements}
    if foreign:
        raise ForceFieldError(f"the charge model was not trained on {', '.join(sorted(foreign))}")
    for pattern in network.forbidden:
        if molecule.HasSubstructMatch(Chem.MolFromSmarts(pattern)):
            raise ForceFieldError(f"the charge model was not trained on the group {pattern}")


def _neighbour_mean(molecule: Chem.Mol) -> FloatArray:
    """Return the row-normalised adjacency matrix, (n, n)."""
    adjacency = np.asarray(Chem.GetAdjacencyMatrix(molecule), dtype=np.float64)
    mean: FloatArray = adjacency / np.maximum(adjacency.sum(axis=1, keepdims=True), 1.0)
    return mean


def am1bcc_charges(molecule: Chem.Mol) -> FloatArray:
    """Return partial charges of AM1-BCC quality for one molecule.

    Parameters
    ----------
    molecule : Chem.Mol
        One fragment, sanitised, all hydrogens explicit. No conformer is needed.

    Returns
    -------
    (n_atoms,) float
        In e; the sum is the formal charge to rounding.

    Raises
    ------
    ForceFieldError
        An element or group lies outside what the network was trained on, or the weights cannot be read.
    """
    network = _network()
    with BlockLogs():
        _check_domain(molecule, network)
    state = np.hstack([_feature_columns(molecule, feature) for feature in network.features])
    mean = _neighbour_mean(molecule)
    for neighbour, own, bias in network.layers:
        state = np.maximum(state @ own.T + mean @ state @ neighbour.T + bias, 0.0)
    hidden = 1.0 / (1.0 + np.exp(-(state @ network.hidden[0].T + network.hidden[1])))
    prior, electronegativity, hardness = (hidden @ network.output[0].T + network.output[1]).T
    return equilibrate(prior, electronegativity, hardness, Chem.GetFormalCharge(molecule))


def equilibrate(
    prior: FloatArray, electronegativity: FloatArray, hardness: FloatArray, total_charge: float
) -> FloatArray:
    """Return the charges of lowest energy for a given total charge.

    Minimises sum(e (Q - q) + s (Q - q)^2 / 2) with sum(Q) fixed: Q = q - (e + mu) / s, where mu is the Lagrange
    multiplier that sets the total.

    Parameters
    ----------
    prior, electronegativity, hardness : (n,) float
        q, e and s of each atom.
    total_charge : float
        In e.

    Returns
    -------
    (n,) float
        In e.
    """
    softness = 1.0 / hardness
    multiplier = (prior.sum() - total_charge - (electronegativity * softness).sum()) / softness.sum()
    charges: FloatArray = prior - softness * (electronegativity + multiplier)
    return charges
