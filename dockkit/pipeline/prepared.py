"""What a prepared structure leaves: receptor, complex and ligands in files, and the record of every change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dockkit import __version__
from dockkit.core.errors import DockkitError, StoreError
from dockkit.core.files import atomic_write_text, store_error
from dockkit.core.formats import write_complex_mmcif, write_complex_pdb, write_sdf
from dockkit.core.model import Kinase, Ligand, Numbering, Receptor
from dockkit.pipeline.prepare import Prepared
from dockkit.report.preparation import change_rows, change_table, receptor_summary


def kinase_words(kinase: Kinase) -> str:
    """Return which kinase this is, such as ``ABL1 (P00519, Tyrosine-protein kinase ABL1)``."""
    return f"{kinase.gene} ({kinase.uniprot}, {kinase.name})" if kinase.gene else kinase.name


def preparation_text(prepared: Prepared) -> str:
    """Return the whole record as text: what it is, its ligands, and the table of changes."""
    receptor, kinase = prepared.receptor, prepared.kinase
    state = receptor.conformation
    lines = [
        f"{prepared.name}: {kinase_words(kinase)}, chain {receptor.chain_ids[0] or '(blank)'}",
        f"  numbering     {prepared.offset}",
        f"  conformation  DFG {state.dfg}, alpha-C {state.alpha_c}, Lys-Glu salt bridge {state.salt_bridge}, "
        f"regulatory spine {state.spine}" + (" (modelled)" if receptor.modelled else ""),
    ]
    for number, bound in enumerate(prepared.ligands):
        charge = int(bound.ligand.formal_charges.sum())
        lines.append(
            f"  {'ligand' if number == 0 else 'also bound':13} {bound.label}: {bound.ligand.name}, charge {charge:+d}"
            f", {bound.found.what.category} in the {bound.found.site} site"
        )
        lines += [f"{'':16}{note}" for note in bound.ligand.notes]
    lines += [f"  not read      {label}: {reason}" for label, reason in prepared.refused]
    lines += [f"  warning       {text}" for text in prepared.warnings]
    return "\n".join(lines) + "\n\n" + change_table(receptor.changes)


def preparation_record(prepared: Prepared, files: dict[str, str]) -> dict[str, Any]:
    """Return the whole record, JSON-able.

    Parameters
    ----------
    prepared : Prepared
    files : dict of str to str
        File name by ligand label.
    """
    return {
        "dockkit": __version__,
        "input": {"given": prepared.origin, "sha256": prepared.sha256, "url": prepared.url or None},
        "settings": prepared.settings.model_dump(mode="json"),
        "structure": receptor_summary(prepared.receptor),
        "numbering": prepared.offset,
        "ligands": [
            {
                "group": bound.label,
                "name": bound.ligand.name,
                "smiles": bound.ligand.smiles,
                "charge": int(bound.ligand.formal_charges.sum()),
                "category": bound.found.what.category,
                "site": bound.found.site,
                "reason": f"{bound.found.what.reason}; {bound.found.reason}",
                "covalent": [bond.label for bond in bound.bonds],
                "notes": list(bound.ligand.notes),
                "file": files.get(bound.label),
            }
            for bound in prepared.ligands
        ],
        "refused": [{"group": label, "reason": reason} for label, reason in prepared.refused],
        "warnings": list(prepared.warnings),
        "changes": change_rows(prepared.receptor.changes),
    }


def write_prepared(prepared: Prepared, out: Path, numbering: Numbering = "uniprot") -> list[tuple[str, Path]]:
    """Write receptor, complex, ligands and the record.

    Parameters
    ----------
    prepared : Prepared
    out : Path
        Folder; made where it is not there.
    numbering : {"uniprot", "author"}
        Of the residues in the files; the files say which.

    Returns
    -------
    list of (str, Path)
        What was written.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = write_model(out / "receptor", prepared.receptor, None, numbering)
        if prepared.ligand is not None:
            written += write_model(out / "complex", prepared.receptor, prepared.ligand.ligand, numbering)
        files = {}
        for bound in prepared.ligands:
            path = out / f"ligand-{bound.stem}.sdf"
            properties = {"group": bound.label, "source": prepared.receptor.source, "site": bound.found.site}
            write_sdf(path, bound.ligand, [bound.ligand.coordinates], [properties])
            files[bound.label] = path.name
            written.append(("ligand", path))
        record = preparation_record(prepared, files)
        for name, text in (
            ("preparation.json", json.dumps(record, indent=2) + "\n"),
            ("preparation.txt", preparation_text(prepared)),
        ):
            atomic_write_text(out / name, text)
            written.append(("record", out / name))
    except OSError as error:
        raise store_error(Path(error.filename or out), error) from error
    return written


def write_model(stem: Path, receptor: Receptor, ligand: Ligand | None, numbering: Numbering) -> list[tuple[str, Path]]:
    """Write a receptor, with its ligand in place where there is one, as mmCIF and, where it fits, as PDB."""
    blocks = [(ligand, ligand.coordinates)] if ligand is not None else []
    pdb, cif = stem.with_name(f"{stem.name}.pdb"), stem.with_name(f"{stem.name}.cif")
    write_complex_mmcif(cif, receptor, blocks, numbering)
    written = [(stem.name, cif)]
    try:
        write_complex_pdb(pdb, receptor, blocks, numbering)
    except StoreError:
        raise
    except DockkitError:  # coordinates or numbers that PDB columns cannot hold; mmCIF has them
        return written
    return [(stem.name, pdb), *written]
