"""Fetch a file over HTTP into a cache: retried, checked, written whole, its checksum beside it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dockkit import __version__
from dockkit.core.errors import StoreError, StructureError
from dockkit.core.files import atomic_write_bytes, atomic_write_text

MAX_DOWNLOAD_BYTES: Final = 400_000_000
RETRY_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers of a server that may be right a moment later."""

_GONE: Final = frozenset({400, 404, 410, 422})
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Parameters
    ----------
    retries : int
        Attempts after the first.
    timeout_seconds : float
        Without an answer or a byte.
    total_seconds : float
        For one whole attempt, so that a server that trickles cannot hold the program.
    backoff_seconds : float
        Before the first retry; doubled for each further one, 30 s at most.
    """

    retries: int = 3
    timeout_seconds: float = 20.0
    total_seconds: float = 300.0
    backoff_seconds: float = 1.0


class NoSuchEntryError(Exception):
    """The server answered that it has no such file."""


class UnreachableError(Exception):
    """No answer that could be used, in spite of retries."""


class _AgainError(Exception):
    """An attempt failed in a way that another may not."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """A file of the cache, its content checked.

    Parameters
    ----------
    path : Path
    url : str
        Where it came from.
    sha256 : str
    """

    path: Path
    url: str
    sha256: str


def _attempt(url: str, patience: Patience) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": f"dockkit/{__version__}"})
    deadline = time.monotonic() + patience.total_seconds
    chunks: list[bytes] = []
    size = 0
    try:
        with urllib.request.urlopen(request, timeout=patience.timeout_seconds) as answer:
            expected = answer.headers.get("Content-Length")
            while chunk := answer.read1(_CHUNK):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_DOWNLOAD_BYTES:
                    raise UnreachableError(f"the answer is larger than {MAX_DOWNLOAD_BYTES // 1_000_000} MB")
                if time.monotonic() > deadline:
                    raise _AgainError(f"not finished after {patience.total_seconds:g} s")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _GONE:
            raise NoSuchEntryError(f"HTTP {error.code}") from error
        kind = _AgainError if error.code in RETRY_STATUS else UnreachableError
        raise kind(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, FileNotFoundError):
            raise NoSuchEntryError("no such file") from error
        if isinstance(error.reason, TimeoutError):
            raise _AgainError(f"no answer within {patience.timeout_seconds:g} s") from error
        raise UnreachableError(str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except TimeoutError as error:
        raise _AgainError(f"no answer within {patience.timeout_seconds:g} s") from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _AgainError(str(error) or type(error).__name__) from error
    if expected is not None and expected.isdigit() and size != int(expected):
        raise _AgainError(f"the answer ended after {size} of {expected} bytes")
    return b"".join(chunks)


def fetch(url: str, check: Callable[[bytes], str], patience: Patience) -> bytes:
    """Return what a URL answers.

    Parameters
    ----------
    url : str
    check : callable
        Returns '' for content that is whole, or what is wrong with it; such an answer is asked for again.
    patience : Patience

    Raises
    ------
    NoSuchEntryError
        404 and its like.
    UnreachableError
        No connection, no name, or no good answer after every retry.
    """
    reason = ""
    for attempt in range(patience.retries + 1):
        if attempt:
            time.sleep(min(30.0, patience.backoff_seconds * 2 ** (attempt - 1)))
        try:
            data = _attempt(url, patience)
        except _AgainError as error:
            reason = str(error)
            continue
        reason = check(data)
        if not reason:
            return data
    raise UnreachableError(f"{reason}; tried {patience.retries + 1} times")


# --------------------------------------------------------------------------- the cache


def cache_folder(chosen: str | Path | None = None) -> Path:
    """Return the cache: as asked for, DOCKKIT_CACHE, XDG_CACHE_HOME/dockkit, or ~/.cache/dockkit."""
    if chosen is not None:
        return Path(chosen)
    if os.environ.get("DOCKKIT_CACHE"):
        return Path(os.environ["DOCKKIT_CACHE"]).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "dockkit"


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def cached(path: Path) -> tuple[CachedFile | None, str]:
    """Return a file of the cache and '', or None and why it cannot be used ('' where it is simply not there).

    Its sha256 must be the one recorded when it was fetched.
    """
    record = _record_path(path)
    if not path.is_file():
        return None, ""
    try:
        known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if known["sha256"] == digest:
            return CachedFile(path, str(known["url"]), digest), ""
    except (OSError, ValueError, KeyError, TypeError):
        return None, "its checksum record is missing or unreadable"
    return None, "its content no longer has the checksum recorded when it was fetched"


def keep(path: Path, data: bytes, url: str) -> CachedFile:
    """Write a file into the cache with its record.

    Raises
    ------
    StructureError
        The cache cannot be written; the message names DOCKKIT_CACHE.
    """
    digest = hashlib.sha256(data).hexdigest()
    record = {"url": url, "sha256": digest, "bytes": len(data), "fetched": time.strftime("%Y-%m-%d")}
    try:
        _record_path(path).unlink(missing_ok=True)
        atomic_write_bytes(path, data)
        atomic_write_text(_record_path(path), json.dumps(record, indent=1) + "\n")
    except (StoreError, OSError) as error:
        raise StructureError(f"{error}; DOCKKIT_CACHE names another cache folder") from error
    return CachedFile(path, url, digest)
