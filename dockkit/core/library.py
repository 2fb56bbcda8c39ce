"""Where the bundled structures, ligands and workflows are, in a checkout or an installed wheel."""

from __future__ import annotations

from pathlib import Path

from dockkit.core.errors import StoreError


def library_dir(kind: str) -> Path:
    """Return the folder of bundled data of one kind.

    Parameters
    ----------
    kind : {"structures", "ligands", "workflows"}
        Which library.

    Returns
    -------
    Path
        ``dockkit/library/<kind>`` of an installed wheel, or ``<checkout>/<kind>``.

    Raises
    ------
    StoreError
        The installation lacks the folder.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "library" / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise StoreError(f"the bundled folder '{kind}' is missing beside {package}; install dockkit again")
