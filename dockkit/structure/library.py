"""The bundled structures: ``structures/catalogue.toml``."""

from __future__ import annotations

import dataclasses
import tomllib
from functools import cache
from typing import Any

from dockkit.core.errors import StoreError, StructureError, nearest
from dockkit.core.library import library_dir
from dockkit.core.model import StructureEntry


@cache
def catalogue() -> tuple[StructureEntry, ...]:
    """Return every bundled structure, in the order of the catalogue.

    Raises
    ------
    StoreError
        The catalogue is missing, unreadable, or holds an unknown key or a repeated name.
    """
    path = library_dir("structures") / "catalogue.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: the structure catalogue cannot be read ({error})") from error
    entries = []
    known = {field.name for field in dataclasses.fields(StructureEntry)}
    for item in data.get("structure", []):
        name = item.get("name", "(no name)")
        unknown = sorted(set(item) - known)
        if unknown:
            raise StoreError(f"{path}: {name}: unknown key '{unknown[0]}'; {nearest(unknown[0], known)}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in item.items()
        }
        try:
            entries.append(StructureEntry(**values))
        except TypeError as error:
            raise StoreError(f"{path}: {name}: {error}") from error
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise StoreError(f"{path}: a structure name is used twice")
    return tuple(entries)


def find_entry(name: str) -> StructureEntry:
    """Return the bundled structure with this name (case does not matter).

    Raises
    ------
    StructureError
        No such entry; the nearest names are offered.
    """
    by_name = {entry.name.lower(): entry for entry in catalogue()}
    if name.lower() not in by_name:
        hint = nearest(name, [entry.name for entry in catalogue()])
        raise StructureError(f"no bundled structure '{name}'; {hint}")
    return by_name[name.lower()]
