"""Model a kinase that no package ships, after a crystal of this library in the wanted state.

    python structures/model_by_homology.py ALK --template lck-dockstring --reference crystals/2xp2.pdb crystals/3aox.pdb

Main chain and the side-chain atoms that both sequences share come from the template, under the target's numbers
(pocket positions correspond; the rest is aligned). What one of them has more is closed with fragments of the library,
side chains are searched, hydrogens added, and the whole is minimised (Amber ff14SB, charges scaled as for dielectric 4,
the backbone held). Crystals given as reference enter nothing but the measured error in the catalogue; without them the
figure that is there is kept. ALK: of the DFG-in, alpha-C-in crystals of the library LCK's pocket is most like ALK's.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from library_files import (
    BACKBONE,
    Residue,
    conformation,
    differences,
    oddities,
    read_catalogue,
    site_center,
    write_catalogue,
    write_cif,
)

from dockkit.core.geometry import superposition
from dockkit.core.model import Assembly, FloatArray, Kinase, Receptor, StructureEntry
from dockkit.core.settings import PreparationSettings
from dockkit.forcefield.system import born_parameters, make_region, receptor_parameters, region_system
from dockkit.kinase import identify_kinase, load_kinase, motifs
from dockkit.sampling import minimise
from dockkit.structure import RawStructure, prepare_receptor, read_structure
from dockkit.structure.homology import Chain, align, as_target, by_uniprot, polymer
from dockkit.structure.loops import build_loops
from dockkit.structure.repair import WorkResidue
from dockkit.structure.splicing import incomplete, repack
from dockkit.structure.states import crystal_receptor, faults

STAGES = ((20.0, 300), (5.0, 1500))
"""Backbone restraint (kcal/mol/A^2) and L-BFGS iterations, one minimisation after the other."""

DIELECTRIC, CUTOFF, BOX_SIZE = 4.0, 10.0, 26.0
LONGEST_LOOP = 12
SHORTEST_PIECE = 5
BOND = 1.8


def load_chain(path: Path, chain: str = "") -> tuple[Chain, Kinase]:
    """Read a crystal by UniProt number."""
    raw = read_structure(path, chain)
    kinase, numbers = identify_kinase(raw.sequence, segments=raw.segments, own_numbers=raw.author_numbers)
    return by_uniprot(polymer(crystal_receptor(raw, name=path.stem, kinase=kinase, numbers=numbers))), kinase


def torn(chain: Chain, pairs: dict[int, int]) -> set[int]:
    """Return the residues beside an insertion or a deletion, which are built anew with it."""
    found = set()
    for number in sorted(chain):
        for other in (number - 1, number + 1):
            partner = pairs.get(other)
            if partner is None or abs(partner - pairs[number]) != 1:
                inside = min(chain) < other < max(chain)
                found |= {number} if inside and partner != pairs[number] else set()
    return found & {n for n in chain if n - 1 in pairs or n + 1 in pairs} - {min(chain), max(chain)}


def assemble(target: Kinase, template: str, folder: Path, seed: int) -> tuple[list[WorkResidue], list[str]]:
    """Put the template's chain under the target's sequence, build what is missing, search the side chains."""
    entry = read_catalogue(folder)[template]
    given, kinase = load_chain(folder / entry.file)
    loops = (motifs(target)["activation_loop"], motifs(kinase)["activation_loop"])
    pairs = align(target, kinase, loops, frozenset(given))
    copied = as_target(given, pairs, target)
    broken = torn(copied, pairs)
    chain = [copied[n] for n in sorted(copied) if n not in broken]
    renumber_segments(chain)
    letters = "".join(
        letter if chain[0].uniprot <= n <= chain[-1].uniprot else "X" for n, letter in enumerate(target.sequence, 1)
    )
    side_chains = {r.uniprot: dict(r.xyz) for r in chain}
    for residue in chain:
        residue.xyz = {a: p for a, p in residue.xyz.items() if a in (*BACKBONE, "CB")}
    chain, changes = build_loops(chain, letters, max_length=LONGEST_LOOP, max_widen=3, seed=seed)
    built = {c.uniprot_number for c in changes if c.kind == "loop"}
    for residue in chain:
        if residue.uniprot in side_chains and residue.uniprot not in built:
            residue.xyz = side_chains[residue.uniprot] | residue.xyz
    chain = without_scraps(chain)
    repack(chain, {r.uniprot for r in chain if incomplete(r)} | built)
    loops_built = sorted(built & {r.uniprot for r in chain})
    return chain, [f"Loops built: {', '.join(runs(loops_built))}."] if loops_built else []


def renumber_segments(chain: list[WorkResidue]) -> None:
    """Give each stretch of bonded residues a number of its own."""
    segment = 0
    for before, after in zip([None, *chain], chain, strict=False):
        if before is not None:
            gap = float(np.linalg.norm(after.xyz["N"] - before.xyz["C"]))
            segment += gap > BOND or after.uniprot != before.uniprot + 1
        after.segment = segment


def without_scraps(chain: list[WorkResidue]) -> list[WorkResidue]:
    """Drop stretches too short to model."""
    sizes = {s: sum(r.segment == s for r in chain) for s in {r.segment for r in chain}}
    return [r for r in chain if sizes[r.segment] >= SHORTEST_PIECE]


def runs(numbers: list[int]) -> list[str]:
    """Write ``1-3`` for 1, 2, 3."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [f"{g[0]}-{g[-1]}" if len(g) > 1 else str(g[0]) for g in groups]


def prepare(chain: list[WorkResidue], kinase: Kinase) -> Receptor:
    """Add hydrogens and caps."""
    rows = [(i, name, xyz) for i, r in enumerate(chain) for name, xyz in r.xyz.items()]
    raw = RawStructure(
        source="model", chain="A",
        atom_names=np.array([row[1] for row in rows]), elements=np.array([row[1][0] for row in rows]),
        atom_residue=np.array([row[0] for row in rows]), coordinates=np.array([row[2] for row in rows]),
        residue_names=np.array([r.name for r in chain]), insertion_codes=np.array([""] * len(chain)),
        author_numbers=np.array([r.uniprot for r in chain]), hetero=(), waters=(), changes=(),
        occupancies=np.ones(len(rows)), b_factors=np.zeros(len(rows)), is_model=True,
    )  # fmt: skip
    settings = PreparationSettings(waters="none", metals="none", longest_loop=0)
    return prepare_receptor(
        raw, name="model", kinase=kinase, uniprot_numbers=tuple(r.uniprot for r in chain), settings=settings,
        modelled=True,
    )  # fmt: skip


def relax(receptor: Receptor) -> Receptor:
    """Minimise, the backbone held firmly at first."""
    parameters = receptor_parameters(receptor)
    radii, scales = born_parameters(receptor.elements, parameters.bond_atoms)
    assembly = Assembly(receptor, "", np.zeros(0, dtype=str), parameters, radii, scales)
    everything = np.arange(receptor.n_residues)
    region = make_region(assembly, everything, everything)
    xyz = np.array(receptor.coordinates)
    for restraint, iterations in STAGES:
        system = region_system(
            assembly, region, xyz, dielectric=DIELECTRIC, cutoff=CUTOFF, backbone_restraint=restraint
        )
        xyz, _ = minimise(system, region, xyz, iterations)
    return replace(receptor, coordinates=xyz)


def heavy_residues(receptor: Receptor, kinase: Kinase) -> list[Residue]:
    """Turn the record back into residues without caps and hydrogens."""
    found = []
    for i in np.flatnonzero(receptor.uniprot_numbers).tolist():
        number = int(receptor.uniprot_numbers[i])
        residue = Residue(kinase.sequence[number - 1], number)
        for a in receptor.atom_indices(i):
            if receptor.elements[a] != "H" and str(receptor.atom_names[a]) in residue.expected:
                residue.atoms[str(receptor.atom_names[a])] = receptor.coordinates[a]
        if set(BACKBONE) <= residue.atoms.keys():
            found.append(residue)
    return found


# --------------------------------------------------------------------------------------------------------- measurement


def measure(residues: list[Residue], kinase: Kinase, references: list[Path]) -> str:
    """Say how far the model lies from crystals: C-alpha RMSD of each part after superposing the pocket."""
    model = {r.number: r.atoms["CA"] for r in residues}
    pocket = [n for n in kinase.pocket if n]
    parts = {
        "pocket": pocket,
        "pocket without P-loop": [n for n in pocket if n not in kinase.pocket[3:9]],
        "hinge": [n for n in kinase.pocket[44:52] if n],
        "alpha-C": [n for n in kinase.pocket[19:30] if n],
        "P-loop": [n for n in kinase.pocket[3:9] if n],
        "DFG": [n for n in kinase.pocket[80:84] if n],
        "activation loop": list(motifs(kinase)["activation_loop"]),
        "domain": list(range(kinase.domain[0], kinase.domain[1] + 1)),
    }
    found: dict[str, list[float]] = {name: [] for name in parts}
    for path in references:
        crystal = {n: r.xyz["CA"] for n, r in load_chain(path)[0].items()}
        core = [n for n in parts["pocket without P-loop"] if n in crystal and n in model]
        rotation, shift = superposition(at(model, core), at(crystal, core))
        for name, numbers in parts.items():
            shared = [n for n in numbers if n in crystal and n in model]
            if len(shared) >= 3:
                apart = at(model, shared) @ rotation + shift - at(crystal, shared)
                found[name].append(float(np.sqrt((apart**2).sum(axis=1).mean())))
    words = [f"{name} {min(v):.1f}-{max(v):.1f} A" for name, v in found.items() if v]
    names = ", ".join(path.stem for path in references)
    return f"C-alpha RMSD to the crystals {names} after superposing the pocket: {'; '.join(words)}"


def at(points: dict[int, FloatArray], numbers: list[int]) -> FloatArray:
    """Return positions, (n, 3), Angstrom."""
    return np.array([points[n] for n in numbers])


def main() -> None:
    """Build the model and write it into the library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinase", help="gene or UniProt accession")
    parser.add_argument("--template", required=True, help="structure of this library")
    parser.add_argument(
        "--reference", type=Path, nargs="*", default=[], help="crystals of the kinase to measure against"
    )
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="folder to write to")
    options = parser.parse_args()
    here = Path(__file__).resolve().parent
    kinase = load_kinase(options.kinase)
    chain, notes = assemble(kinase, options.template, here, options.seed)
    receptor = relax(prepare(chain, kinase))
    if wrong := faults(receptor):
        print(f"faults: {'; '.join(wrong)}")
    residues = heavy_residues(receptor, kinase)
    state = conformation("model", kinase, residues)
    name = f"{kinase.gene.lower()}-dfg-{state.dfg}"
    error = measure(residues, kinase, options.reference) if options.reference else ""
    entries = read_catalogue(options.out) if (options.out / "catalogue.toml").is_file() else {}
    if not error and name in entries:
        error = entries[name].expected_error
    center = site_center(kinase, residues)
    odd = oddities(residues)
    options.out.mkdir(parents=True, exist_ok=True)
    write_cif(
        options.out / f"{name}.cif.gz", name, kinase, residues, f"{kinase.name}, homology model, UniProt numbering"
    )
    template = read_catalogue(here)[options.template]
    distances = [f"{key.replace('_', ' ')} {value:.1f} A" for key, value in state.measures]
    entries[name] = StructureEntry(
        name=name, kinase=kinase.gene, uniprot=kinase.uniprot, pdb_id="", file=f"{name}.cif.gz",
        first=residues[0].number, last=residues[-1].number, dfg=state.dfg, alpha_c=state.alpha_c,
        box_center=center, box_size=(BOX_SIZE, BOX_SIZE, BOX_SIZE), differences=differences(kinase, residues),
        modelled=True, expected_error=error,
        source=f"model_by_homology.py {kinase.gene}, template {options.template}",
        licence="MIT; the coordinates it starts from: PDB, CC0",
        notes=(
            f"Homology model after {template.kinase} ({template.pdb_id}): no crystal of this kinase is in the library.",
            f"Residues present: {', '.join(runs([r.number for r in residues]))}.",
            *notes,
            f"Measured: {', '.join(distances)}.",
            *([f"Unusual: {', '.join(odd)}."] if odd else []),
        ),
    )  # fmt: skip
    write_catalogue(options.out, entries)
    print(f"{name}: {residues[0].number}-{residues[-1].number}, DFG {state.dfg}, alpha-C {state.alpha_c}\n{error}")


if __name__ == "__main__":
    main()
