"""Model ABL1 with DFG in, which no package ships as a crystal.

Onto ABL1 1IEP (DFG-out, this library) are laid, by superposition of conserved core residues,

* the DFG motif and the activation loop of LCK (DFG-in, this library; the same loop length);
* a P-loop, because 1IEP's is folded over imatinib and fills the site of a type I inhibitor: for inhibitors that of the
  second ABL1 crystal of this library, for ATP the extended one of LCK (in the DFG-in crystals of ABL1 with inhibitors
  Tyr 253 stands where the phosphates of ATP would be);
* in variants that were tried and not chosen, the alpha-C helix of LCK, the whole N-lobe of the second ABL1 crystal, and
  the N-lobe turned as LCK's. They come nearer to 2GQG chain A in the helix and the sheet, but close the cleft on
  dasatinib (Leu 248 and Gly 249 at 2.0 to 2.2 A); 1IEP's own lobe angle is that of 2GQG chain B.

Side chains that LCK has and ABL1 has not are rebuilt, the junctions are closed and the grafts are minimised
(Amber ff14SB, charges scaled as for dielectric 4, the rest held). ``--variants`` builds every variant, and
``--reference`` measures them on crystals of ABL1 DFG-in (2gqg.pdb, 2f4j.pdb in that folder), which enter the model
only in the choice of the variant. Without the folder the measured figures in the catalogue are kept.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import openmm
from library_files import (
    BACKBONE,
    ONE_TO_THREE,
    Residue,
    conformation,
    differences,
    read_catalogue,
    read_cif,
    site_center,
    write_catalogue,
    write_cif,
)
from openmm import app, unit
from scipy.spatial import cKDTree

from dockkit.core.geometry import superposition
from dockkit.core.model import FloatArray, Kinase, Receptor, StructureEntry
from dockkit.core.settings import PreparationSettings
from dockkit.forcefield.protein import PROTEIN_FORCE_FIELD, receptor_topology
from dockkit.kinase import load_kinase, map_to_uniprot
from dockkit.structure import RawStructure, prepare_receptor, read_structure

FRAME, DONOR, OPEN_LOBE = "abl1-1iep", "lck-dockstring", "abl1-dockstring"

# All numbers are ABL1's. Core of the C-lobe, rigid between states: hinge, alpha-E, catalytic loop, alpha-F.
C_CORE = (*range(317, 326), *range(340, 379), *range(413, 440))
# The N-lobe's sheet: beta-3, beta-4, beta-5.
N_CORE = (*range(268, 274), *range(299, 305), *range(312, 317))
ACTIVATION_LOOP = tuple(range(379, 413))
ALPHA_C = tuple(range(279, 295))
P_LOOP = tuple(range(246, 259))
LAST_OF_N_LOBE = 317
SEGMENTS = {
    "DFG": range(381, 384),
    "activation loop": range(379, 413),
    "401-412": range(401, 413),
    "alpha-C": range(280, 293),
    "P-loop": range(247, 257),
    "N-lobe sheet": N_CORE,
}
BOX_SIZE = 26.0
REFERENCES = (("2gqg", "A"), ("2gqg", "B"), ("2f4j", "A"))

Chain = dict[int, Residue]


@dataclass(frozen=True)
class Variant:
    """Which parts come from where."""

    lobe: str = FRAME
    lobe_as_donor: bool = False
    alpha_c: bool = False
    p_loop: str = ""


VARIANTS = {
    "loop": Variant(),
    "loop+alpha-c": Variant(alpha_c=True),
    "loop+p-loop": Variant(p_loop=OPEN_LOBE),
    "loop+donor-p-loop": Variant(p_loop=DONOR),
    "turned": Variant(lobe_as_donor=True),
    "turned+p-loop": Variant(lobe_as_donor=True, p_loop=OPEN_LOBE),
    "turned+alpha-c+p-loop": Variant(lobe_as_donor=True, alpha_c=True, p_loop=OPEN_LOBE),
    "open": Variant(lobe=OPEN_LOBE),
    "open+turned": Variant(lobe=OPEN_LOBE, lobe_as_donor=True),
    "open+turned+alpha-c": Variant(lobe=OPEN_LOBE, lobe_as_donor=True, alpha_c=True),
}
MODELS = {
    "abl1-dfg-in": (
        "loop+p-loop",
        ("I", "I1/2"),
        "P-loop folded, as ABL1 has it with inhibitors; leaves no room for ATP.",
    ),
    "abl1-dfg-in-atp": ("loop+donor-p-loop", ("nucleotide",), "P-loop extended as in LCK: leaves room for ATP."),
}
"""Name in the catalogue: variant, binding types it suits, note."""


# --------------------------------------------------------------------------------------------------------- assembly


def load(folder: Path, name: str) -> Chain:
    """Read a structure of the library by residue number."""
    return {residue.number: residue for residue in read_cif(folder / f"{name}.cif.gz")}


def renumber_as(donor: Kinase, target: Kinase, chain: Chain) -> Chain:
    """Give a donor's residues the numbers of their counterparts: pocket position by pocket position.

    Between two pocket positions with the same shift, and after the last one (loops of equal length), the shift holds.
    """
    shift: dict[int, int] = {}
    pairs = [(a, b) for a, b in zip(donor.pocket, target.pocket, strict=True) if a and b]
    for (a, b), (c, d) in zip(pairs, [*pairs[1:], (donor.domain[1], 0)], strict=True):
        if d == 0 or d - c == b - a:
            shift |= {number: b - a for number in range(a, c + 1)}
        else:
            shift[a] = b - a
    return {n + shift[n]: Residue(r.letter, n + shift[n], r.atoms) for n, r in chain.items() if n in shift}


def alpha_carbons(chain: Chain, numbers: tuple[int, ...] | range | list[int]) -> FloatArray:
    """C-alpha positions, (n, 3), Angstrom."""
    return np.array([chain[number].atoms["CA"] for number in numbers])


def lay(mobile: Chain, target: Chain, numbers: tuple[int, ...]) -> Chain:
    """Superpose a chain on another by the C-alpha atoms of the residues that both have among ``numbers``."""
    shared = [n for n in numbers if n in mobile and n in target]
    rotation, shift = superposition(alpha_carbons(mobile, shared), alpha_carbons(target, shared))
    return {
        n: Residue(r.letter, n, {name: xyz @ rotation + shift for name, xyz in r.atoms.items()})
        for n, r in mobile.items()
    }


def assemble(variant: Variant, folder: Path, kinase: Kinase) -> tuple[list[Residue], set[int]]:
    """Put the pieces together in the frame of 1IEP.

    Returns
    -------
    residues : list of Residue
        ABL1's sequence; side chains that differ in the donor are cut to C-beta.
    grafted : set of int
        Residues that are not 1IEP's own coordinates.
    """
    frame, open_lobe = load(folder, FRAME), load(folder, OPEN_LOBE)
    donor = lay(renumber_as(load_kinase("LCK"), kinase, load(folder, DONOR)), frame, C_CORE)
    chain = dict(frame)
    lobe = lay(frame if variant.lobe == FRAME else open_lobe, donor if variant.lobe_as_donor else frame, N_CORE)
    if variant.lobe != FRAME or variant.lobe_as_donor:
        chain = {n: r for n, r in chain.items() if n > LAST_OF_N_LOBE}
        chain |= {n: r for n, r in lobe.items() if n <= LAST_OF_N_LOBE}
    pieces = {n: donor[n] for n in ACTIVATION_LOOP}
    if variant.alpha_c:
        local = lay(donor, lobe, N_CORE)
        pieces |= {n: local[n] for n in ALPHA_C}
    if variant.p_loop:
        local = lay(donor if variant.p_loop == DONOR else open_lobe, lobe, N_CORE)
        pieces |= {n: local[n] for n in P_LOOP}
    chain |= pieces
    grafted = {n for n, r in chain.items() if n not in frame or r is not frame[n]}
    return [_as_abl1(chain[n], kinase) for n in sorted(chain)], grafted


def _as_abl1(residue: Residue, kinase: Kinase) -> Residue:
    letter = kinase.sequence[residue.number - 1]
    if letter == residue.letter:
        return residue
    kept = BACKBONE if letter == "G" else (*BACKBONE, "CB")
    return Residue(letter, residue.number, {name: xyz for name, xyz in residue.atoms.items() if name in kept})


# ------------------------------------------------------------------------------------------------------ minimisation


def prepare(residues: list[Residue], kinase: Kinase) -> Receptor:
    """Rebuild the side chains that were cut and add hydrogens and caps."""
    rows = [(i, name, xyz) for i, r in enumerate(residues) for name, xyz in r.atoms.items()]
    numbers = np.array([r.number for r in residues])
    raw = RawStructure(
        source="model",
        chain="A",
        atom_names=np.array([row[1] for row in rows]),
        elements=np.array([row[1][0] for row in rows]),
        atom_residue=np.array([row[0] for row in rows]),
        coordinates=np.array([row[2] for row in rows]),
        residue_names=np.array([ONE_TO_THREE[r.letter] for r in residues]),
        insertion_codes=np.array([""] * len(residues)),
        author_numbers=numbers,
        hetero=(),
        waters=(),
        changes=(),
        occupancies=np.ones(len(rows)),
        b_factors=np.zeros(len(rows)),
        is_model=True,
    )
    settings = PreparationSettings(waters="none", metals="none", longest_loop=0)
    return prepare_receptor(
        raw, name="abl1-model", kinase=kinase, uniprot_numbers=numbers, settings=settings, modelled=True
    )


def hold_constants(receptor: Receptor, grafted: set[int], rebuilt: set[int]) -> FloatArray:
    """Return how firmly each atom is held, kcal/mol/A^2.

    Backbone: 20, grafts 5, within two residues of a junction 0.5. Side chains: 20, grafts and residues within 5 A of
    a graft 1, rebuilt ones 0. Hydrogens and caps: 0.
    """
    numbers = receptor.uniprot_numbers[receptor.atom_residue]
    last = int(numbers.max())
    junctions = {n for n in range(2, last) if (n in grafted) != (n + 1 in grafted)}
    bends = {n + step for n in junctions for step in (-1, 0, 1, 2)}
    moved = np.isin(numbers, list(grafted))
    distances, _ = cKDTree(receptor.coordinates[moved]).query(receptor.coordinates, distance_upper_bound=5.0)
    near = set(numbers[np.isfinite(distances)].tolist())
    constants = np.zeros(receptor.n_atoms)
    for i, (element, name, number) in enumerate(zip(receptor.elements, receptor.atom_names, numbers, strict=True)):
        if element == "H" or number == 0:
            continue
        if name in (*BACKBONE, "CB"):
            constants[i] = 0.5 if number in bends else 5.0 if number in grafted else 20.0
        else:
            constants[i] = 0.0 if number in rebuilt else 1.0 if number in near else 20.0
    return constants


def minimise(receptor: Receptor, constants: FloatArray) -> Receptor:
    """Minimise with each heavy atom held to where it is; charges halved, which is dielectric 4; cut-off 12 A."""
    system = app.ForceField(PROTEIN_FORCE_FIELD).createSystem(
        receptor_topology(receptor), nonbondedMethod=app.CutoffNonPeriodic, nonbondedCutoff=1.2 * unit.nanometer
    )
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    nonbonded.setReactionFieldDielectric(1.0)
    for i in range(nonbonded.getNumParticles()):
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, 0.5 * charge, sigma, epsilon)
    for i in range(nonbonded.getNumExceptions()):
        first, second, product, sigma, epsilon = nonbonded.getExceptionParameters(i)
        nonbonded.setExceptionParameters(i, first, second, 0.25 * product, sigma, epsilon)
    hold = openmm.CustomExternalForce("0.5*k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for parameter in ("k", "x0", "y0", "z0"):
        hold.addPerParticleParameter(parameter)
    positions = receptor.coordinates / 10.0
    for i in np.flatnonzero(constants).tolist():
        hold.addParticle(i, [418.4 * constants[i], *positions[i]])
    system.addForce(hold)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Threads": "1"})
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 1.0, 0)
    state = context.getState(getPositions=True)
    return replace(receptor, coordinates=10.0 * state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def heavy_residues(receptor: Receptor, kinase: Kinase) -> list[Residue]:
    """Turn the record back into residues without caps and hydrogens."""
    found = []
    for i in np.flatnonzero(receptor.uniprot_numbers).tolist():
        atoms = [a for a in receptor.atom_indices(i) if receptor.elements[a] != "H"]
        number = int(receptor.uniprot_numbers[i])
        coordinates = {str(receptor.atom_names[a]): receptor.coordinates[a] for a in atoms}
        found.append(Residue(kinase.sequence[number - 1], number, coordinates))
    return found


def build(variant: Variant, folder: Path, kinase: Kinase) -> list[Residue]:
    """Build one variant."""
    residues, grafted = assemble(variant, folder, kinase)
    rebuilt = {r.number for r in residues if set(r.atoms) != set(r.expected)}
    receptor = prepare(residues, kinase)
    receptor = minimise(receptor, hold_constants(receptor, grafted, rebuilt))
    return heavy_residues(receptor, kinase)


# ------------------------------------------------------------------------------------------------------- measurement


def load_reference(path: Path, chain: str, kinase: Kinase) -> tuple[Chain, list[tuple[str, FloatArray]]]:
    """Read a crystal by UniProt number, and its hetero groups of more than ten atoms (name, coordinates)."""
    raw = read_structure(path, chain=chain)
    numbers = map_to_uniprot(raw.sequence, kinase)
    found: Chain = {}
    for i, (letter, number) in enumerate(zip(raw.sequence, numbers, strict=True)):
        atoms = np.flatnonzero(raw.atom_residue == i)
        if number:
            found[int(number)] = Residue(
                letter, int(number), {str(raw.atom_names[a]): raw.coordinates[a] for a in atoms}
            )
    ligands = [(group.name, group.coordinates) for group in raw.hetero if len(group.elements) > 10]
    return found, ligands


def deviations(model: Chain, reference: Chain) -> dict[str, float]:
    """C-alpha RMSD per segment, Angstrom, after superposing the C-lobe core."""
    laid = lay(model, reference, C_CORE)
    result = {}
    for name, numbers in SEGMENTS.items():
        shared = [n for n in numbers if n in reference and n in laid]
        apart = alpha_carbons(laid, shared) - alpha_carbons(reference, shared)
        result[name] = float(np.sqrt((apart**2).sum(axis=1).mean()))
    return result


def closest(model: Chain, reference: Chain, ligand: FloatArray) -> list[tuple[float, str]]:
    """Heavy-atom contacts under 3 A with a crystal's ligand, laid on the model by the hinge and the N-lobe sheet."""
    laid = lay(model, reference, (*C_CORE, *N_CORE))
    contacts = []
    for number, residue in laid.items():
        for name, xyz in residue.atoms.items():
            distance = float(np.linalg.norm(ligand - xyz, axis=1).min())
            if distance < 3.0:
                contacts.append((round(distance, 1), f"{residue.letter}{number} {name}"))
    return sorted(contacts)


def measure(model: Chain, folder: Path, kinase: Kinase) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Compare with every reference crystal: RMSD per segment, and contacts under 3 A with its ligand."""
    table, contacts = {}, []
    for entry, chain in REFERENCES:
        reference, ligands = load_reference(folder / f"{entry}.pdb", chain, kinase)
        table[f"{entry} {chain}"] = deviations(model, reference)
        middle = reference[kinase.gatekeeper].atoms["CA"]
        near = [(n, xyz) for n, xyz in ligands if np.linalg.norm(xyz - middle, axis=1).min() < 8.0]
        for name, xyz in near[:1]:
            short = ", ".join(f"{label} {distance:.1f}" for distance, label in closest(model, reference, xyz))
            contacts.append(f"{name} of {entry} {chain}: {short or 'none'}")
    return table, contacts


def expected_error(table: dict[str, dict[str, float]]) -> str:
    """Say the measured deviations in words."""
    parts = []
    for segment in SEGMENTS:
        values = [row[segment] for row in table.values()]
        parts.append(f"{segment} {min(values):.1f}-{max(values):.1f} A")
    crystals = ", ".join(table)
    return f"C-alpha RMSD to the DFG-in crystals {crystals} after superposing the C-lobe: " + "; ".join(parts)


def catalogue_entry(name: str, residues: list[Residue], frame: StructureEntry, error: str) -> StructureEntry:
    """Describe a model."""
    kinase = load_kinase("ABL1")
    variant, suits, note = MODELS[name]
    state = conformation(name, kinase, residues)
    distances = ", ".join(f"{key.replace('_', ' ')} {value:.1f} A" for key, value in state.measures)
    return replace(
        frame,
        name=name,
        pdb_id="",
        file=f"{name}.cif.gz",
        first=residues[0].number,
        last=residues[-1].number,
        dfg=state.dfg,
        alpha_c=state.alpha_c,
        box_center=site_center(kinase, residues),
        box_size=(BOX_SIZE, BOX_SIZE, BOX_SIZE),
        differences=differences(kinase, residues),
        modelled=True,
        expected_error=error,
        suits=suits,
        source=f"model_abl1_dfg_in.py, variant {variant}, from {FRAME}, {OPEN_LOBE} and {DONOR}",
        licence="MIT; the coordinates it starts from: PDB, CC0",
        notes=("Modelled structure: no crystal of this state is in the library.", note, f"Measured: {distances}."),
    )


def report(name: str, residues: list[Residue], reference: Path | None, kinase: Kinase) -> str:
    """Print what was built and, where the crystals are at hand, how far it is from them; return that in words."""
    state = conformation(name, kinase, residues)
    print(f"{name}: DFG-{state.dfg}, alpha-C-{state.alpha_c}", *(f"{key} {value:.1f}" for key, value in state.measures))
    if reference is None:
        return ""
    table, contacts = measure({residue.number: residue for residue in residues}, reference, kinase)
    for crystal, row in table.items():
        print("  ", crystal, *(f"{segment} {value:.2f}" for segment, value in row.items()))
    print("   under 3 A:", "; ".join(contacts))
    return expected_error(table)


def main() -> None:
    """Build the models, or compare the variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent, help="the structure library")
    parser.add_argument("--reference", type=Path, help="folder with 2gqg.pdb and 2f4j.pdb to measure against")
    parser.add_argument("--variants", action="store_true", help="build and measure every variant, write nothing")
    options = parser.parse_args()
    kinase = load_kinase("ABL1")
    if options.variants:
        for name, variant in VARIANTS.items():
            report(name, build(variant, options.out, kinase), options.reference, kinase)
        return
    entries = read_catalogue(options.out)
    for name, (variant_name, _, _) in MODELS.items():
        residues = build(VARIANTS[variant_name], options.out, kinase)
        error = report(name, residues, options.reference, kinase)
        if not error and name in entries:
            error = entries[name].expected_error
        entries[name] = catalogue_entry(name, residues, entries[FRAME], error)
        write_cif(options.out / entries[name].file, name, kinase, residues, "ABL1 DFG-in, modelled")
    write_catalogue(options.out, entries)


if __name__ == "__main__":
    main()
