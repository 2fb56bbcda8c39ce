"""Force-field parameters of a ligand: the shipped ones, or OpenFF Sage with graph-network charges.

Sage 2.2.1 (Boothroyd et al., J. Chem. Theory Comput. 2023, 19, 3251; unconstrained bonds) assigns a parameter to each
bond, angle, torsion and atom by SMARTS; the numbers are gathered here into flat arrays. Charges come from
``dockkit.forcefield.charges``. Mg2+ is the 12-6 ion of Li, Roberts, Chakravorty and Merz, J. Chem. Theory Comput. 2013,
9, 2733 (compromise set for TIP3P, as in Amber's frcmod.ions234lm_126_tip3p). A molecule of several fragments is
parametrised fragment by fragment.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from dockkit.core.errors import ForceFieldError
from dockkit.core.library import library_dir
from dockkit.core.model import Ligand, LigandParameters
from dockkit.core.molecule import to_rdkit
from dockkit.forcefield.charges import CHARGE_MODEL, am1bcc_charges

FORCE_FIELD = "openff_unconstrained-2.2.1.offxml"
METHOD = f"openff-2.2.1 + {CHARGE_MODEL}"
MG_METHOD = "Mg2+ Li-Merz 12-6 CM (2013)"

_MG_SIGMA, _MG_EPSILON = 2.423244513341723, 0.01020237
"""Angstrom (R_min/2 = 1.360 A) and kcal/mol."""

_Rows = dict[str, Any]


def parametrise(ligand: Ligand) -> LigandParameters:
    """Return the parameters of a ligand, in its atom order.

    Parameters
    ----------
    ligand : Ligand
        All hydrogens explicit, one protonation state.

    Returns
    -------
    LigandParameters
        The shipped ones where the same molecule in the same protonation state is in the library, else computed. No
        network connection is used. Equal molecules get equal parameters whatever their conformer.

    Raises
    ------
    ForceFieldError
        The force field or the charge model does not cover the molecule; the message says why.
    """
    molecule = _molecule(ligand)
    shipped = _shipped_files().get(ligand.smiles)
    if shipped is not None:
        found = _from_file(shipped, ligand, molecule)
        if found is not None:
            return found
    return compute_parameters(ligand)


def compute_parameters(ligand: Ligand) -> LigandParameters:
    """Return parameters from the force field and the charge model, without looking at the shipped ones.

    Parameters
    ----------
    ligand : Ligand
        As for ``parametrise``.

    Returns
    -------
    LigandParameters
        In the ligand's atom order.

    Raises
    ------
    ForceFieldError
        The force field or the charge model does not cover the molecule.
    """
    molecule = _molecule(ligand)
    indices: list[tuple[int, ...]] = []
    parts = Chem.GetMolFrags(molecule, asMols=True, fragsMolAtomMapping=indices)
    blocks, methods = [], []
    for part, atoms in zip(parts, indices, strict=True):
        if part.GetNumAtoms() == 1:
            rows, method = _ion_rows(part.GetAtomWithIdx(0), ligand.name), MG_METHOD
        else:
            rows, method = _fragment_rows(part, ligand.name), METHOD
        blocks.append((rows, np.array(atoms, dtype=np.int64)))
        if method not in methods:
            methods.append(method)
    return _join(ligand, blocks, " + ".join(methods))


def _molecule(ligand: Ligand) -> Chem.Mol:
    molecule = to_rdkit(ligand)
    missing = [atom.GetIdx() + 1 for atom in molecule.GetAtoms() if atom.GetTotalNumHs()]
    if missing:
        raise ForceFieldError(f"{ligand.name}: atom {missing[0]} lacks a hydrogen; the ligand must have all of them")
    return molecule


# --------------------------------------------------------------------------- computing


@functools.cache
def _sage() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from openff.toolkit import ForceField  # noqa: PLC0415 - slow, and not needed for shipped ligands

        return ForceField(FORCE_FIELD)


def _labels(molecule: Chem.Mol, name: str) -> dict[str, Any]:
    """Return which parameter Sage gives to each group of atoms."""
    with warnings.catch_warnings(), BlockLogs():
        warnings.simplefilter("ignore")
        from openff.toolkit import Molecule  # noqa: PLC0415 - slow, and not needed for shipped ligands

        try:
            force_field = _sage()
            typed = Molecule.from_rdkit(molecule, allow_undefined_stereo=True, hydrogens_are_explicit=True)
            labels: dict[str, Any] = force_field.label_molecules(typed.to_topology())[0]
        except OSError:  # a missing file or folder is no fault of the molecule
            raise
        except Exception as error:  # the toolkit raises a dozen kinds, all meaning the same here
            smiles = Chem.MolToSmiles(Chem.RemoveHs(molecule))
            raise ForceFieldError(
                f"{name}: OpenFF Sage cannot type {smiles} ({type(error).__name__}: {error})"
            ) from error
    return labels


def _magnitude(quantity: Any, unit: str) -> float:
    return float(quantity.m_as(unit))


def _fragment_rows(molecule: Chem.Mol, name: str) -> _Rows:
    """Return the flat arrays of one fragment."""
    try:
        charges = am1bcc_charges(molecule)
    except ForceFieldError as error:
        raise ForceFieldError(f"{name}: {error}") from error
    labels = _labels(molecule, name)
    van_der_waals = [labels["vdW"][atom,] for atom in range(molecule.GetNumAtoms())]
    rows: _Rows = {
        "masses": np.array([atom.GetMass() for atom in molecule.GetAtoms()]),
        "charges": charges,
        "sigma": np.array([_magnitude(item.sigma, "angstrom") for item in van_der_waals]),
        "epsilon": np.array([_magnitude(item.epsilon, "kilocalorie_per_mole") for item in van_der_waals]),
        "bond": [
            (atoms, (_magnitude(item.length, "angstrom"), _magnitude(item.k, "kilocalorie_per_mole/angstrom**2")))
            for atoms, item in labels["Bonds"].items()
        ],
        "angle": [
            (atoms, (_magnitude(item.angle, "radian"), _magnitude(item.k, "kilocalorie_per_mole/radian**2")))
            for atoms, item in labels["Angles"].items()
        ],
        "torsion": [*_proper_rows(labels["ProperTorsions"]), *_improper_rows(labels["ImproperTorsions"])],
    }
    _check_cover(molecule, rows, name)
    rows["exception"] = _exception_rows(molecule, rows)
    return rows


def _check_cover(molecule: Chem.Mol, rows: _Rows, name: str) -> None:
    typed = {frozenset(atoms) for atoms, _ in rows["bond"]}
    bonds = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in molecule.GetBonds()}
    if bonds - typed:
        i, j = sorted(next(iter(bonds - typed)))
        raise ForceFieldError(f"{name}: OpenFF Sage has no parameter for the bond of atoms {i + 1} and {j + 1}")


def _fourier_terms(item: Any, divisors: list[float]) -> Iterator[tuple[float, float, float]]:
    for periodicity, phase, k, divisor in zip(item.periodicity, item.phase, item.k, divisors, strict=True):
        yield float(periodicity), _magnitude(phase, "radian"), _magnitude(k, "kilocalorie_per_mole") / divisor


def _proper_rows(labels: Any) -> Iterator[tuple[tuple[int, ...], tuple[float, ...]]]:
    for atoms, item in labels.items():
        for term in _fourier_terms(item, [float(divisor) for divisor in item.idivf]):
            yield atoms, term


def _improper_rows(labels: Any) -> Iterator[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Yield impropers as SMIRNOFF defines them: a third of the barrier on each of three cyclic orders.

    The centre is the second atom of the label and the first of the torsion.
    """
    for (first, centre, third, fourth), item in labels.items():
        for order in ((first, third, fourth), (third, fourth, first), (fourth, first, third)):
            for term in _fourier_terms(item, [3.0] * len(item.k)):
                yield (centre, *order), term


def _exception_rows(molecule: Chem.Mol, rows: _Rows) -> list[tuple[tuple[int, int], tuple[float, float, float]]]:
    """Return excluded (1-2, 1-3) and scaled (1-4) pairs, with the scales of the force field."""
    scale_vdw = float(_sage().get_parameter_handler("vdW").scale14)
    scale_coulomb = float(_sage().get_parameter_handler("Electrostatics").scale14)
    charges, sigma, epsilon = rows["charges"], rows["sigma"], rows["epsilon"]
    distances = Chem.GetDistanceMatrix(molecule)
    result: list[tuple[tuple[int, int], tuple[float, float, float]]] = []
    for i, j in zip(*np.nonzero(np.triu(distances <= 3, k=1)), strict=True):
        mixed = float(sigma[i] + sigma[j]) / 2.0
        if distances[i, j] < 3:
            result.append(((int(i), int(j)), (0.0, mixed, 0.0)))
        else:
            depth = scale_vdw * float(np.sqrt(epsilon[i] * epsilon[j]))
            result.append(((int(i), int(j)), (scale_coulomb * float(charges[i] * charges[j]), mixed, depth)))
    return result


def _ion_rows(atom: Chem.Atom, name: str) -> _Rows:
    if atom.GetSymbol() != "Mg" or atom.GetFormalCharge() != 2:
        raise ForceFieldError(
            f"{name}: no parameters for the ion {atom.GetSymbol()}{atom.GetFormalCharge():+d}; only Mg+2 is known"
        )
    return {
        "masses": np.array([atom.GetMass()]),
        "charges": np.array([2.0]),
        "sigma": np.array([_MG_SIGMA]),
        "epsilon": np.array([_MG_EPSILON]),
        **{name: [] for name in ("bond", "angle", "torsion", "exception")},
    }


def _join(ligand: Ligand, blocks: list[tuple[_Rows, Any]], method: str) -> LigandParameters:
    """Put fragments together in the ligand's atom order."""
    arrays: dict[str, Any] = {}
    for key in ("masses", "charges", "sigma", "epsilon"):
        values = np.zeros(ligand.n_atoms)
        for rows, atoms in blocks:
            values[atoms] = rows[key]
        arrays[key] = values
    for key, width in (("bond", 2), ("angle", 3), ("torsion", 4), ("exception", 2)):
        terms = [(atoms[list(group)], numbers) for rows, atoms in blocks for group, numbers in rows[key]]
        columns = 2 if key in ("bond", "angle") else 3
        arrays[f"{key}_atoms"] = np.array([group for group, _ in terms], dtype=np.int64).reshape(-1, width)
        arrays[f"{key}_parameters"] = np.array([numbers for _, numbers in terms]).reshape(-1, columns)
    return LigandParameters(name=ligand.name, smiles=ligand.smiles, method=method, **arrays)


# --------------------------------------------------------------------------- files


def save_parameters(parameters: LigandParameters, ligand: Ligand, path: Path) -> None:
    """Write parameters as JSON, together with the molecule whose atom order they have.

    Parameters
    ----------
    parameters : LigandParameters
        Of this ligand.
    ligand : Ligand
        Gives the atom order, as an atom-mapped SMILES.
    path : Path
        File to write; 12 significant digits are kept.

    Raises
    ------
    ForceFieldError
        Parameters and ligand do not belong together.
    """
    if parameters.n_atoms != ligand.n_atoms or parameters.smiles != ligand.smiles:
        raise ForceFieldError(f"{ligand.name}: the parameters are those of {parameters.name}, another molecule")
    content: dict[str, Any] = {"format": 1, **asdict(parameters), "mapped_smiles": _mapped_smiles(_molecule(ligand))}
    for key, value in content.items():
        if isinstance(value, np.ndarray):
            rounded = (
                value.tolist() if value.dtype.kind == "i" else np.vectorize(_short, otypes=[object])(value).tolist()
            )
            content[key] = rounded
    path.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {_compact(v)}" for k, v in content.items()) + "\n}\n", encoding="utf-8"
    )


def _short(value: float) -> float:
    return float(f"{value:.12g}")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def load_parameters(path: Path) -> LigandParameters:
    """Read parameters that ``save_parameters`` wrote, in the atom order of the file.

    Parameters
    ----------
    path : Path
        JSON file.

    Returns
    -------
    LigandParameters
        As stored.

    Raises
    ------
    ForceFieldError
        The file is missing, damaged or of another format.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[LigandParameters, str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != 1:
            raise ValueError("unknown format")
        mapped = str(content.pop("mapped_smiles"))
        names = {field.name for field in fields(LigandParameters)}
        if set(content) != names:
            raise ValueError(f"keys {sorted(set(content) ^ names)} are missing or unknown")
        return LigandParameters(**content), mapped
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ForceFieldError(
            f"{path}: not a parameter file ({error}); build it again with build_parameters.py"
        ) from error


def _mapped_smiles(molecule: Chem.Mol) -> str:
    mapped = Chem.Mol(molecule)
    for atom in mapped.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    smiles: str = Chem.MolToSmiles(mapped)
    return smiles


@functools.cache
def _shipped_files() -> dict[str, Path]:
    """Return the shipped parameter files by SMILES, canonical for the RDKit at hand."""
    folder = library_dir("ligands") / "parameters"
    index = folder / "index.json"
    try:
        names: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ForceFieldError(f"{index}: the list of shipped parameters cannot be read ({error})") from error
    return {Chem.MolToSmiles(Chem.MolFromSmiles(smiles)): folder / name for smiles, name in names.items()}


def _from_file(path: Path, ligand: Ligand, molecule: Chem.Mol) -> LigandParameters | None:
    """Return shipped parameters in the ligand's atom order, or None if the molecules do not match after all."""
    stored, mapped = _read(path)
    options: Any = Chem.SmilesParserParams()
    options.removeHs = False
    reference = Chem.MolFromSmiles(mapped, options)
    order = [atom.GetAtomMapNum() - 1 for atom in reference.GetAtoms()]
    for atom in reference.GetAtoms():
        atom.SetAtomMapNum(0)
    match = molecule.GetSubstructMatch(reference, useChirality=True)
    if len(match) != ligand.n_atoms or stored.n_atoms != ligand.n_atoms:
        return None
    new_index = np.zeros(ligand.n_atoms, dtype=np.int64)
    new_index[order] = match
    arrays: dict[str, Any] = {}
    for key in ("masses", "charges", "sigma", "epsilon"):
        values = np.zeros(ligand.n_atoms)
        values[new_index] = getattr(stored, key)
        arrays[key] = values
    for key in ("bond", "angle", "torsion", "exception"):
        arrays[f"{key}_atoms"] = new_index[getattr(stored, f"{key}_atoms")]
        arrays[f"{key}_parameters"] = getattr(stored, f"{key}_parameters")
    return LigandParameters(name=ligand.name, smiles=ligand.smiles, method=stored.method, **arrays)
