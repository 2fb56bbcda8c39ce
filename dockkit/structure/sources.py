"""From what the user typed to a structure file: a local file, a PDB id, or the AlphaFold model of an accession."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import urllib.parse
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from dockkit.core.errors import StructureError, nearest
from dockkit.structure.fetching import (
    NoSuchEntryError,
    Patience,
    UnreachableError,
    cache_folder,
    cached,
    fetch,
    keep,
)

BASE_URLS: Final = {"pdb": "https://files.rcsb.org/download", "alphafold": "https://alphafold.ebi.ac.uk"}
"""Where structures are fetched from; DOCKKIT_PDB_URL and DOCKKIT_ALPHAFOLD_URL name mirrors."""

_PDB_ID: Final = re.compile(r"[1-9][A-Za-z0-9]{3}")
_LONG_PDB_ID: Final = re.compile(r"pdb_([0-9a-z]{8})", re.IGNORECASE)
_ACCESSION: Final = re.compile(
    r"(?:[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})(?:-[0-9]+)?", re.IGNORECASE
)
_ALPHAFOLD_ID: Final = re.compile(r"AF-([A-Z0-9]{6,10}(?:-[0-9]+)?)-F([0-9]+)(?:-model_v[0-9]+)?", re.IGNORECASE)
_LOOKS_LIKE_PATH: Final = re.compile(r"[/\\]|^[.~]|\.(pdb|ent|cif|mmcif|gz|pdb\d)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Located:
    """Where a structure lies, and where it came from.

    Parameters
    ----------
    path : Path
        A file on this machine.
    kind : {"file", "pdb", "alphafold"}
    identifier : str
        PDB id in lower case, AlphaFold id such as ``AF-P00519-F1``, or the file's name.
    url : str
        Where it was fetched from; '' for a local file.
    sha256 : str
        Of the file as it lies there.
    note : str
        What should be said: a file that hides an id, a cached copy that had to be fetched again; '' for nothing.
    """

    path: Path
    kind: Literal["file", "pdb", "alphafold"]
    identifier: str
    url: str
    sha256: str
    note: str = ""


def what_is(text: str) -> tuple[Literal["pdb", "alphafold", ""], str]:
    """Tell what an identifier names, from its form alone.

    Returns
    -------
    kind : {"pdb", "alphafold", ""}
    identifier : str
        ``1iep`` (also for ``pdb_00001iep``), ``pdb_1000abcd``, ``AF-P00519-F1``; '' where the text is none.
    """
    word = text.strip()
    if _PDB_ID.fullmatch(word):
        return "pdb", word.lower()
    if match := _LONG_PDB_ID.fullmatch(word):
        code = match[1].lower()
        return "pdb", code[4:] if code.startswith("0000") else f"pdb_{code}"
    if match := _ALPHAFOLD_ID.fullmatch(word):
        return ("alphafold", f"AF-{match[1].upper()}-F{match[2]}") if _ACCESSION.fullmatch(match[1]) else ("", "")
    if _ACCESSION.fullmatch(word):
        return "alphafold", f"AF-{word.upper()}-F1"
    return "", ""


def _bases(base_urls: Mapping[str, str] | None) -> dict[str, str]:
    bases = dict(BASE_URLS)
    for kind in BASE_URLS:
        bases[kind] = os.environ.get(f"DOCKKIT_{kind.upper()}_URL") or bases[kind]
    bases.update(base_urls or {})
    return {kind: url.rstrip("/") for kind, url in bases.items()}


def _local(path: Path, note: str) -> Located:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StructureError(f"{path}: cannot be read ({error.strerror or error})") from error
    return Located(path, "file", path.name, "", digest, note)


def locate(
    text: str,
    *,
    cache_dir: str | Path | None = None,
    base_urls: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    refresh: bool = False,
) -> Located:
    """Find the structure that a word names; fetch it where it must be fetched.

    A file wins over an identifier of the same name, and the note says so. A fetched file is kept in the cache and used
    again as long as its checksum holds, so that a study does not change when a database does.

    Parameters
    ----------
    text : str
        Path of a PDB or mmCIF file; PDB id (``1iep``, ``pdb_00001iep``); UniProt accession (``P00519``) or AlphaFold id
        (``AF-P00519-F1``). Names of the bundled library are the caller's to look up first.
    cache_dir : str or Path, optional
        Default: DOCKKIT_CACHE, or the user's cache folder.
    base_urls : mapping, optional
        Mirrors: ``pdb`` holds ``<id>.cif.gz``, ``alphafold`` answers ``/api/prediction/<accession>``. Default: the
        variables DOCKKIT_PDB_URL and DOCKKIT_ALPHAFOLD_URL, then the public servers.
    patience : Patience, optional
        Retries and time limits.
    refresh : bool
        Fetch again even where the cache has a good copy.

    Raises
    ------
    StructureError
        Neither a file nor an identifier; no such entry; no connection (the message says what to do without one).
    """
    word = str(text).strip()
    if not word:
        raise StructureError("no structure given; give a file, a PDB id, a UniProt accession or a library name")
    kind, identifier = what_is(word)
    path = Path(word).expanduser()
    try:
        there, folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        there = folder = False
    if there:
        hidden = f"the file {word} was taken, not the {_kind_name(kind)} {identifier}" if kind else ""
        return _local(path, hidden)
    if not kind:
        raise StructureError(_not_found(word, path, folder))
    cache, bases = cache_folder(cache_dir), _bases(base_urls)
    patience = patience or Patience()
    found = _locate_pdb if kind == "pdb" else _locate_alphafold
    return found(identifier, cache, bases[kind], patience, refresh)


def _kind_name(kind: str) -> str:
    return "PDB entry" if kind == "pdb" else "AlphaFold model"


def _not_found(word: str, path: Path, folder: bool) -> str:
    if folder:
        return f"{word}: a folder, not a structure; give a PDB or mmCIF file in it"
    if _LOOKS_LIKE_PATH.search(word):
        try:
            names = [p.name for p in path.parent.iterdir() if p.is_file()]
        except OSError:
            return f"{word}: no such file, and its folder does not exist; check the path"
        return f"{word}: no such structure file; check the path. {nearest(path.name, names) if names else ''}".rstrip(
            ". "
        )
    return (
        f"'{word}' is no file, no PDB id (such as 1iep or pdb_00001iep) and no UniProt accession or AlphaFold id "
        "(such as P00519 or AF-P00519-F1); check its spelling"
    )


def _content_problem(data: bytes) -> str:
    """Return '' for what looks like a whole mmCIF file, plain or gzip."""
    try:
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"the answer is a damaged gzip file ({error})"
    start = text[:4096].lstrip()
    if start[:1] == b"<" or not (start.startswith((b"data_", b"#")) or b"\ndata_" in start):
        return "the answer is not an mmCIF file; a proxy or a login page may stand between"
    return "" if b"_atom_site." in text else "the answer holds no atoms; it is cut short"


def _unreachable(identifier: str, url: str, reason: str, damaged: str, get: str = "") -> StructureError:
    copy = f" The cached copy cannot be used: {damaged}." if damaged else ""
    return StructureError(
        f"{identifier}: could not be fetched from {url} ({reason}).{copy} Without a network: download {get or url} "
        "on a machine that has one, copy it here and give the file's path; or give the name of a structure of the "
        "bundled library"
    )


def _again(damaged: str, path: Path) -> str:
    return f"{path.name} was fetched again: {damaged}" if damaged else ""


def _locate_pdb(identifier: str, cache: Path, base: str, patience: Patience, refresh: bool) -> Located:
    path = cache / "pdb" / f"{identifier}.cif.gz"
    kept, damaged = cached(path)
    if kept and not refresh:
        return Located(path, "pdb", identifier, kept.url, kept.sha256)
    url = f"{base}/{identifier}.cif.gz"
    try:
        data = fetch(url, _content_problem, patience)
    except NoSuchEntryError as error:
        raise StructureError(
            f"{identifier}: the PDB has no such entry ({url}: {error}); check the id, it may be obsolete"
        ) from error
    except UnreachableError as error:
        raise _unreachable(identifier, url, str(error), damaged) from error
    new = keep(path, data, url)
    return Located(path, "pdb", identifier, url, new.sha256, _again(damaged, path))


def _locate_alphafold(identifier: str, cache: Path, base: str, patience: Patience, refresh: bool) -> Located:
    path = cache / "alphafold" / f"{identifier}.cif"
    kept, damaged = cached(path)
    if kept and not refresh:
        return Located(path, "alphafold", identifier, kept.url, kept.sha256)
    accession = identifier[3:].rpartition("-F")[0]
    api = f"{base}/api/prediction/{accession}"
    try:
        answer = fetch(api, _json_problem, patience)
    except NoSuchEntryError as error:
        raise StructureError(
            f"{accession}: AlphaFold DB has no model of it ({api}: {error}); check the UniProt accession"
        ) from error
    except UnreachableError as error:
        page = f"the mmCIF file on {base}/entry/{accession}"
        raise _unreachable(identifier, api, str(error), damaged, page) from error
    url = _model_address(json.loads(answer), identifier, base)
    try:
        data = fetch(url, _content_problem, patience)
    except (NoSuchEntryError, UnreachableError) as error:
        raise _unreachable(identifier, url, str(error), damaged) from error
    new = keep(path, data, url)
    return Located(path, "alphafold", identifier, url, new.sha256, _again(damaged, path))


def _json_problem(data: bytes) -> str:
    try:
        answer = json.loads(data)
    except (ValueError, UnicodeDecodeError, RecursionError):
        return "the answer is not JSON; a proxy or a login page may stand between"
    good = isinstance(answer, list) and all(isinstance(item, dict) for item in answer)
    return "" if good else "the answer is not a list of models"


def _model_address(answer: list[dict[str, Any]], identifier: str, base: str) -> str:
    """Return the address of one model's mmCIF file; on a mirror, the mirror's."""
    by_name: dict[str, str] = {}
    for item in answer:
        name = str(item.get("modelEntityId") or item.get("entryId") or "")
        if isinstance(item.get("cifUrl"), str):
            by_name[name.upper()] = item["cifUrl"]
    address = by_name.get(identifier.upper(), "")
    if not address:
        listing = ", ".join(sorted(by_name)) or "none"
        raise StructureError(
            f"{identifier}: AlphaFold DB has no model of this name; models of the accession: {listing}"
        )
    if base != BASE_URLS["alphafold"] and address.startswith(BASE_URLS["alphafold"] + "/"):
        address = base + address[len(BASE_URLS["alphafold"]) :]
    return urllib.parse.urljoin(base + "/", address)
