"""The error tree.

DockkitError
├── InputError              something the user gave is wrong (exit code 2)
│   ├── StructureError      a structure file, chain or residue
│   ├── MutationError       a mutation
│   ├── LigandError         a molecule
│   └── SettingsError       a study file, option or key
├── ForceFieldError         no parameters, or a system that cannot be built
├── DockingError            no pose
├── SamplingError           minimisation or dynamics failed
├── EnergyError             an energy that is not finite or does not add up
├── StoreError              results could not be read or written
└── ExecutionError          a task could not be run

A message says what, where (file, chain, residue, mutation, ligand) and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DockkitError(Exception):
    """Base of every error that dockkit raises on purpose."""


class InputError(DockkitError):
    """Something the user gave cannot be used."""


class StructureError(InputError):
    """A structure file, chain or residue cannot be used."""


class MutationError(InputError):
    """A mutation cannot be read or does not fit the structure."""


class LigandError(InputError):
    """A molecule cannot be read or is not fit for modelling."""


class SettingsError(InputError):
    """A study file, command-line option or key is wrong."""


class ForceFieldError(DockkitError):
    """Parameters are missing or a system cannot be built."""


class DockingError(DockkitError):
    """No acceptable pose could be produced."""


class SamplingError(DockkitError):
    """A minimisation or a simulation failed."""


class EnergyError(DockkitError):
    """An energy is not finite or its parts do not add up."""


class StoreError(DockkitError):
    """Results could not be read or written."""


class ExecutionError(DockkitError):
    """A task could not be run."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return a suggestion such as ``did you mean 'imatinib'?`` for a misspelt name.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        The valid names.
    count : int
        At most this many suggestions.

    Returns
    -------
    str
        A sentence; it lists every valid name where none is close and they are few.
    """
    pool = list(known)
    lower = {item.lower(): item for item in reversed(pool)}
    hits = difflib.get_close_matches(name.lower(), list(lower), n=count, cutoff=0.5)
    if hits:
        quoted = [f"'{lower[hit]}'" for hit in hits]
        return "did you mean " + " or ".join(quoted) + "?"
    if pool and len(pool) <= 40:
        return "valid names: " + ", ".join(sorted(pool)) + "."
    return ""
