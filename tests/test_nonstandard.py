"""Phosphorylated residues, waters and metal ions in a receptor: parameters, choice, files, mutation."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import openmm
import pytest
from builders import ion, peptide
from openmm import app, unit

from dockkit.core.errors import ForceFieldError, MutationError, StructureError
from dockkit.core.formats import complex_mmcif, complex_pdb, residue_labels
from dockkit.core.geometry import dihedral, lay_template
from dockkit.core.model import Change, HetGroup, Receptor, Substitution, Variant
from dockkit.core.model.proteins import NO_AMINO_ACIDS
from dockkit.core.residues import (
    CAPS,
    IONS,
    METALS,
    PHOSPHATE,
    PHOSPHORYLATED,
    WATER,
    residue_templates,
    rotamers,
    templates,
    three_letter,
)
from dockkit.core.settings import EnergySettings, PreparationSettings
from dockkit.docking.receptor import atom_types, receptor_pdbqt
from dockkit.energy import BindingEnergy
from dockkit.forcefield import protein
from dockkit.forcefield.system import (
    assemble,
    born_parameters,
    make_region,
    receptor_parameters,
    receptor_topology,
    region_system,
    select_residues,
    subset_receptor,
)
from dockkit.mutation import build_variant, displaced_waters, parse_variant, without_waters
from dockkit.sampling import minimise
from dockkit.structure import prepare_receptor, read_structure
from dockkit.structure.repair import WorkResidue
from dockkit.structure.solvent import keep_metals, keep_waters

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "structures"
SEQUENCES = {"SEP": "AKSIFDG", "TPO": "AKTIFDG", "PTR": "AKYIFDG"}
OXYGEN = {"SEP": ("OG", "CB", "CA", "HG"), "TPO": ("OG1", "CB", "CA", "HG1"), "PTR": ("OH", "CZ", "CE1", "HH")}


def phosphorylated(name: str) -> Receptor:
    """A peptide whose third residue carries a phosphate."""
    start, index = peptide(SEQUENCES[name]), 2
    template = residue_templates()[name]
    own = {str(start.atom_names[i]): start.coordinates[i] for i in start.atom_indices(index)}
    oxygen, middle, far, hydrogen = OXYGEN[name]
    laid = lay_template(template, own, [oxygen, middle, far])
    atoms = {k: v for k, v in own.items() if k != hydrogen}
    atoms |= {atom: laid[template.index(atom)] for atom in PHOSPHATE}
    return replace_residue(start, index, name, atoms, [a[:1] for a in atoms])


def replace_residue(
    start: Receptor, index: int, name: str, atoms: dict[str, np.ndarray], elements: list[str]
) -> Receptor:
    before, after = start.atom_residue < index, start.atom_residue > index
    names = start.residue_names.tolist()
    names[index] = name

    def joined(values, new):
        return [*np.asarray(values)[before].tolist(), *new, *np.asarray(values)[after].tolist()]

    return dataclasses.replace(
        start, residue_names=names, atom_names=joined(start.atom_names, atoms),
        elements=joined(start.elements, elements), atom_residue=joined(start.atom_residue, [index] * len(atoms)),
        coordinates=joined(start.coordinates, [list(map(float, xyz)) for xyz in atoms.values()]),
    )  # fmt: skip


def with_others(receptor: Receptor, others: list[tuple[str, int, np.ndarray]]) -> Receptor:
    """Append waters and ions: name, author number, (3,) place of the O or the ion."""
    names, elements, owner = receptor.atom_names.tolist(), receptor.elements.tolist(), receptor.atom_residue.tolist()
    xyz = receptor.coordinates.tolist()
    for k, (name, _, place) in enumerate(others):
        template = residue_templates()[name]
        names += template.atoms.tolist()
        elements += template.elements.tolist()
        owner += [receptor.n_residues + k] * len(template.atoms)
        xyz += (template.coordinates + place).tolist()
    last, n = int(receptor.segments.max()), len(others)
    return dataclasses.replace(
        receptor, atom_names=names, elements=elements, atom_residue=owner, coordinates=xyz,
        residue_names=[*receptor.residue_names, *(name for name, _, _ in others)],
        chain_ids=[*receptor.chain_ids, *[str(receptor.chain_ids[0])] * n],
        insertion_codes=[*receptor.insertion_codes, *[""] * n],
        author_numbers=[*receptor.author_numbers, *(number for _, number, _ in others)],
        uniprot_numbers=[*receptor.uniprot_numbers, *[0] * n],
        segments=[*receptor.segments, *(last + 1 + k for k in range(n))],
    )  # fmt: skip


def potential(system: openmm.System, coordinates: np.ndarray) -> float:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.asarray(coordinates) / 10.0)
    return context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilocalorie_per_mole)


def whole_system(receptor: Receptor, **options):
    """Receptor with an uncharged ion far away, everything mobile."""
    ligand, parameters = ion(0.0, (500.0, 500.0, 500.0))
    assembly = assemble(receptor, ligand, parameters)
    xyz = np.concatenate([receptor.coordinates, ligand.coordinates])
    everything = np.arange(receptor.n_residues)
    region = make_region(assembly, everything, everything)
    options = {"dielectric": 1.0, "cutoff": 1e7, "backbone_restraint": 0.0, **options}
    return assembly, region, xyz, region_system(assembly, region, xyz, **options)


# --------------------------------------------------------------------------- templates


def test_the_twenty_stay_twenty_and_no_mutation_reaches_the_others() -> None:
    assert len(templates()) == 20
    assert set(residue_templates()) == {*templates(), *PHOSPHORYLATED, WATER, *IONS}
    assert {three_letter(letter) for letter in "ACDEFGHIKLMNPQRSTVWY"} == set(templates())
    assert three_letter("X") == ""
    assert set(NO_AMINO_ACIDS) == {*CAPS, WATER, *IONS}
    for text in ("T197TPO", "THR-197-SEP", "THR-197-HOH"):
        with pytest.raises(MutationError):
            parse_variant(text)


@pytest.mark.parametrize("name", sorted(PHOSPHORYLATED))
def test_phosphorylated_templates_are_l_amino_acids_with_a_phosphate(name: str) -> None:
    template = residue_templates()[name]
    at = {str(a): template.coordinates[template.index(str(a))] for a in template.atoms}
    chirality = np.dot(np.cross(at["N"] - at["CA"], at["C"] - at["CA"]), at["CB"] - at["CA"])
    assert chirality > 1.0
    if name == "TPO":  # (2S, 3R), as threonine
        threonine = templates()["THR"]
        there = {str(a): threonine.coordinates[threonine.index(str(a))] for a in threonine.heavy}
        sides = [
            np.sign(np.dot(np.cross(x["CA"] - x["CB"], x["OG1"] - x["CB"]), x["CG2"] - x["CB"])) for x in (at, there)
        ]
        assert sides[0] == sides[1]
    ester = OXYGEN[name][0]
    assert np.linalg.norm(at["P"] - at[ester]) == pytest.approx(1.61, abs=0.08)
    for oxygen in PHOSPHATE[1:]:
        assert np.linalg.norm(at["P"] - at[oxygen]) == pytest.approx(1.48, abs=0.03)
    library = rotamers(name)
    assert library.probabilities.sum() == pytest.approx(1.0)
    assert library.chis.shape[1] == len(template.chis)
    for chi in template.chis:
        assert np.isfinite(dihedral(*(at[a] for a in chi.atoms)))


# --------------------------------------------------------------------------- force field


@pytest.mark.parametrize("name", sorted(PHOSPHORYLATED))
def test_a_phosphorylated_peptide_has_the_energy_of_openmmforcefields_own_files(name: str) -> None:
    receptor = phosphorylated(name)
    spec = importlib.util.find_spec("openmmforcefields")
    assert spec is not None
    folder = Path(str(spec.origin)).parent / "ffxml" / "amber"
    reference = app.ForceField(str(folder / "ff14SB.xml"), str(folder / "phosaa14SB.xml"))
    topology, chain = app.Topology(), None
    chain = topology.addChain("A")
    atoms: list[app.topology.Atom] = []
    for r, residue_name in enumerate(receptor.residue_names):
        residue = topology.addResidue(str(residue_name), chain)
        atoms += [
            topology.addAtom(str(receptor.atom_names[i]), app.Element.getBySymbol(str(receptor.elements[i])), residue)
            for i in receptor.atom_indices(r)
        ]
    topology.createStandardBonds()
    special = next(r for r in topology.residues() if r.name == name)
    own = {a.name: a for a in special.atoms()}
    definition = reference._templates[name]
    for a, b in definition.bonds:
        topology.addBond(own[definition.atoms[a].name], own[definition.atoms[b].name])
    previous = next(a for a in atoms if a.residue.index == special.index - 1 and a.name == "C")
    topology.addBond(previous, own["N"])
    modeller = app.Modeller(topology, receptor.coordinates * unit.angstrom)
    expected = potential(reference.createSystem(modeller.topology), receptor.coordinates)
    _, _, xyz, system = whole_system(receptor)
    assert potential(system, xyz) == pytest.approx(expected, rel=1e-7, abs=2e-3)
    charges = receptor_parameters(receptor).charges
    assert charges[receptor.atom_residue == 2].sum() == pytest.approx(-2.0, abs=1e-6)


def test_a_plain_protein_has_the_same_parameters_with_all_files_loaded() -> None:
    receptor = peptide()
    topology = receptor_topology(receptor)
    plain = protein._force_field((protein.PROTEIN_FORCE_FIELD,)).createSystem(topology)
    files = (protein.PROTEIN_FORCE_FIELD, protein.WATER_FORCE_FIELD, protein.PHOSPHO_FORCE_FIELD)
    full = protein._force_field(files).createSystem(topology)
    assert openmm.XmlSerializer.serialize(plain) == openmm.XmlSerializer.serialize(full)
    assert receptor_parameters(receptor).method == protein.PROTEIN_FORCE_FIELD


def test_without_phosaa14sb_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    protein._force_field.cache_clear()
    protein._of_content.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ForceFieldError, match="install the package openmmforcefields"):
        receptor_parameters(phosphorylated("SEP"))
    assert receptor_parameters(peptide()).n_atoms
    protein._force_field.cache_clear()


def test_a_water_dimer_has_the_energy_of_tip3p_by_hand() -> None:
    base = peptide()
    far = np.array([300.0, 0.0, 0.0])
    single = [with_others(base, [("HOH", 900, far)]), with_others(base, [("HOH", 900, far + [0.3, 2.9, 0.2])])]
    both = with_others(base, [("HOH", 900, far), ("HOH", 901, far + [0.3, 2.9, 0.2])])
    energies = []
    for receptor in (*single, both, base):
        _, _, xyz, system = whole_system(receptor)
        energies.append(potential(system, xyz))
    interaction = energies[2] - energies[0] - energies[1] + energies[3]
    n = base.n_atoms
    first, second = both.coordinates[n : n + 3], both.coordinates[n + 3 : n + 6]
    charges = np.array([-0.834, 0.417, 0.417])
    gaps = np.linalg.norm(first[:, None] - second[None], axis=-1)
    six = (3.15061 / gaps[0, 0]) ** 6
    by_hand = 332.06371 * (charges[:, None] * charges[None] / gaps).sum() + 4 * 0.1521 * (six * six - six)
    assert interaction == pytest.approx(by_hand, abs=5e-3)


@pytest.mark.parametrize(
    ("name", "free_energy"), [("ZN", -1955), ("MN", -1760), ("CA", -1505), ("NA", -365), ("CL", -340)]
)
def test_ions_have_their_charge_and_borns_hydration_energy(name: str, free_energy: float) -> None:
    receptor = with_others(peptide(), [(name, 900, np.array([300.0, 0.0, 0.0]))])
    parameters = receptor_parameters(receptor)
    assert parameters.charges[-1] == pytest.approx(IONS[name])
    radii, _ = born_parameters(receptor.elements, parameters.bond_atoms)
    born = -0.5 * 332.0637 * (1 - 1 / 78.5) * IONS[name] ** 2 / (radii[-1] - 0.09)
    assert born == pytest.approx(free_energy / 4.184, rel=0.01)  # Marcus 1991


def test_water_and_ions_are_molecules_of_their_own_and_calcium_is_no_alpha_carbon() -> None:
    far = np.array([300.0, 0.0, 0.0])
    receptor = with_others(peptide(), [("CA", 900, far), ("HOH", 901, far + 4.0), ("HOH", 902, far + 8.0)])
    topology = receptor_topology(receptor)
    assert [len(list(chain.residues())) for chain in topology.chains()] == [7, 1, 1, 1]
    own = [(a.residue.name, b.residue.name) for a, b in topology.bonds() if a.residue.name in (WATER, "CA")]
    assert own == [(WATER, WATER)] * 4
    _, _, _, system = whole_system(receptor, backbone_restraint=1.0)
    held = next(f for f in system.getForces() if isinstance(f, openmm.CustomExternalForce))
    # main chain of seven residues, the terminal OXT left aside, the ion and both oxygens
    assert held.getNumParticles() == 4 * 7 + 3


def test_water_is_rigid_in_dynamics_and_keeps_its_masses() -> None:
    receptor = with_others(peptide(), [("HOH", 901, np.array([40.0, 0.0, 0.0]))])
    _, region, xyz, system = whole_system(receptor, for_dynamics=True, cutoff=9.0, dielectric=4.0)
    rows = np.flatnonzero(np.isin(region.atoms, np.arange(receptor.n_atoms - 3, receptor.n_atoms)))
    masses = [system.getParticleMass(int(i)).value_in_unit(unit.dalton) for i in rows]
    assert masses == pytest.approx([15.999, 1.008, 1.008], abs=0.01)
    integrator = openmm.LangevinMiddleIntegrator(300, 1.0, 0.004)
    integrator.setRandomNumberSeed(3)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(xyz[region.atoms] / 10.0)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(300, 3)
    integrator.step(200)
    after = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)[rows]
    lengths = [np.linalg.norm(after[a] - after[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert lengths == pytest.approx([0.9572, 0.9572, 1.5139], abs=1e-3)
    assert np.linalg.norm(after[0] - xyz[region.atoms][rows][0]) > 0.05


def test_minimising_keeps_a_water_water() -> None:
    base = peptide()
    acceptor = base.coordinates[base.atom_names == "OD1"][0]
    receptor = with_others(base, [("HOH", 901, acceptor + [0.0, 0.0, 3.0])])
    _, region, xyz, system = whole_system(receptor, dielectric=4.0, cutoff=12.0)
    moved, energy = minimise(system, region, xyz, 300, "Reference")
    water = moved[receptor.n_atoms - 3 : receptor.n_atoms]
    assert np.isfinite(energy)
    assert np.linalg.norm(water[1:] - water[0], axis=1) == pytest.approx([0.9572, 0.9572], abs=0.03)
    cosine = np.dot(water[1] - water[0], water[2] - water[0]) / 0.9572**2
    assert np.degrees(np.arccos(cosine)) == pytest.approx(104.52, abs=6.0)


def test_selection_and_subset_treat_waters_as_residues() -> None:
    base = peptide()
    spot = base.coordinates[base.atom_names == "OD1"][0]
    receptor = with_others(base, [("MG", 900, spot + [0.0, 0.0, 2.1]), ("HOH", 901, spot + [0.0, 0.0, 200.0])])
    mobile, kept = select_residues(receptor, np.array([spot]), [], 3.0, 4.0)
    assert 7 in mobile
    assert 8 not in kept
    small = subset_receptor(receptor, kept, receptor.coordinates)
    assert small.residue_names[-1] == "MG"
    assert receptor_parameters(small).charges[-1] == 2.0 if kept[0] == 0 and len(kept) == 8 else True


def test_binding_energy_counts_a_water_as_part_of_the_receptor() -> None:
    base = peptide()
    ligand, parameters = ion(1.0, (0.0, 0.0, 60.0))
    place = np.array([0.0, 0.0, 57.5])
    both = with_others(base, [("HOH", 901, place)])
    terms = []
    for receptor in (base, both):
        evaluator = BindingEnergy(assemble(receptor, ligand, parameters), EnergySettings())
        terms.append(evaluator.terms(np.concatenate([receptor.coordinates, ligand.coordinates])))
    water = both.coordinates[-3:]
    gaps = np.linalg.norm(water - ligand.coordinates[0], axis=1)
    by_hand = 332.0637 / 2.0 * (np.array([-0.834, 0.417, 0.417]) / gaps).sum()
    assert terms[1][1] - terms[0][1] == pytest.approx(by_hand, abs=1e-3)


# --------------------------------------------------------------------------- choice of waters and metals


def group(name: str, element: str, place: object, number: int = 900, **fields: float) -> HetGroup:
    values = {"distance": 2.0, "occupancy": 1.0, "b_factor": 20.0, **fields}
    return HetGroup(name, "A", number, "", np.array([element]), np.array([element]), np.array([place], float), **values)


def residue(name: str, number: int, **atoms: tuple[float, float, float]) -> WorkResidue:
    return WorkResidue(name, "A", "", number, number, 0, {k: np.array(v, float) for k, v in atoms.items()})


ASP = residue("ASP", 381, OD1=(0.0, 0.0, 0.0), CG=(-1.2, 0.0, 0.0), CA=(-3.7, 0.0, 0.0))
HIS = residue("HIS", 361, NE2=(4.2, 0.0, 0.0), CA=(8.0, 0.0, 0.0))
ARG = residue("ARG", 400, NH1=(0.0, 3.0, 0.0), CA=(0.0, 7.0, 0.0))


def test_a_metal_between_two_residues_stays_with_the_reason() -> None:
    kept, changes = keep_metals([group("ZN", "Zn", (2.1, 0.0, 0.0))], [ASP, HIS])
    assert [(r.name, r.number, r.uniprot, list(r.xyz)) for r in kept] == [("ZN", 900, 0, ["ZN"])]
    assert kept[0].segment == 1
    assert changes == [
        Change("metal", "kept as Zn (+2)", "coordinated by ASP A:381 OD1 2.1 A, HIS A:361 NE2 2.1 A", "ZN", "A", 900)
    ]


@pytest.mark.parametrize(
    ("ion_group", "reason"),
    [
        (group("ZN", "Zn", (0.0, -2.1, 0.0)), "fewer than 2 groups"),
        (group("CL", "Cl", (2.1, 0.0, 0.0)), "buffer"),
        (group("IOD", "I", (2.1, 0.0, 0.0)), "buffer"),
        (group("NA", "Na", (2.1, 0.0, 0.0)), "fewer than 3 groups"),
        (group("CD", "Cd", (2.1, 0.0, 0.0)), "no parameters for CD"),
        (group("ZN", "Zn", (2.1, 0.0, 0.0), occupancy=0.3), "occupancy 0.30"),
        (group("MG", "Mg", (0.8, 0.0, 0.0)), "stands in its place"),
    ],
)
def test_other_ions_go_with_the_reason(ion_group: HetGroup, reason: str) -> None:
    kept, changes = keep_metals([ion_group], [ASP, HIS])
    assert kept == []
    assert [c.kind for c in changes] == ["removed"]
    assert reason in changes[0].why


def test_an_ion_of_another_chain_is_counted_and_one_of_the_ligand_passed_over() -> None:
    far = group("ZN", "Zn", (50.0, 0.0, 0.0), distance=30.0)
    own = group("MG", "Mg", (2.1, 0.0, 0.0))
    kept, changes = keep_metals([far, own], [ASP, HIS], own.coordinates, own.elements)
    assert kept == []
    assert [c.what for c in changes] == ["ions left out: 1 ZN"]


def test_a_chloride_among_three_nh_groups_is_structural() -> None:
    backbone = [residue("ALA", 10, N=(0.0, -3.2, 0.0)), residue("ALA", 11, N=(0.0, 0.0, 3.3)), ARG]
    kept, changes = keep_metals([group("CL", "Cl", (0.0, 0.0, 0.0))], backbone)
    assert [r.name for r in kept] == ["CL"]
    assert "ARG A:400 NH1" in changes[0].why


def test_a_nucleotides_metal_goes_with_the_nucleotide_unless_it_stays() -> None:
    atp = HetGroup("ATP", "A", 800, "", np.array(["O1G"]), np.array(["O"]), np.array([[2.1, 2.0, 0.0]]), 2.0)
    metal = group("MG", "Mg", (2.1, 0.0, 0.0))
    kept, changes = keep_metals([atp, metal], [ASP])
    assert kept == []
    assert changes[0].kind == "metal"
    assert "belongs to ATP A:800" in changes[0].what
    kept, changes = keep_metals([atp, metal], [ASP], atp.coordinates, atp.elements, keep_nucleotide_metals=True)
    assert [r.name for r in kept] == ["MG"]
    assert "ligand O 2.0 A" in changes[0].why


LIGAND = np.array([[2.8, 0.0, 0.0], [4.1, -0.6, 0.0]])
LIGAND_ELEMENTS = np.array(["N", "C"])
BRIDGE = (1.4, 2.4, 0.0)


def test_a_bridging_water_stays_and_the_rest_is_counted_by_reason() -> None:
    waters = [
        group("HOH", "O", BRIDGE, 501),
        group("HOH", "O", (1.4, -2.4, 0.0), 502, occupancy=0.4),
        group("HOH", "O", (1.4, 0.0, 2.4), 503, b_factor=99.0),
        group("HOH", "O", (0.0, -3.0, 0.0), 504),
        group("HOH", "O", (1.4, 2.4, 0.6), 505),
    ]
    kept, changes = keep_waters(waters, [ASP], LIGAND, LIGAND_ELEMENTS)
    assert [(r.name, r.number, r.uniprot, sorted(r.xyz)) for r in kept] == [(WATER, 501, 0, ["H1", "H2", "O"])]
    assert changes[0].what == "kept: bridges ligand N 2.8 A and ASP A:381 OD1 2.8 A"
    assert changes[0].why == "occupancy 1.00, B 20"
    assert changes[1].what == "4 waters left out"
    assert changes[1].why == "1 in the place of another, 1 not between ligand and protein, 1 of B above 80, " + (
        "1 of occupancy below 0.5"
    )


def test_a_kept_water_turns_a_hydrogen_to_the_acceptor_the_same_way_each_time() -> None:
    waters = [group("HOH", "O", BRIDGE, 501)]
    first, second = (keep_waters(waters, [ASP], LIGAND, LIGAND_ELEMENTS)[0][0].xyz for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)
    gaps = [np.linalg.norm(first[h] - ASP.xyz["OD1"]) for h in ("H1", "H2")]
    assert min(gaps) == pytest.approx(2.78 - 0.9572, abs=0.1)
    bond = first["H1"] - first["O"], first["H2"] - first["O"]
    assert [np.linalg.norm(b) for b in bond] == pytest.approx([0.9572, 0.9572], abs=1e-6)
    assert np.degrees(np.arccos(bond[0] @ bond[1] / 0.9572**2)) == pytest.approx(104.52, abs=1e-3)


def test_a_water_of_a_kept_metal_stays_with_its_hydrogens_away() -> None:
    metals, _ = keep_metals([group("ZN", "Zn", (2.1, 0.0, 0.0))], [ASP, HIS])
    kept, changes = keep_waters([group("HOH", "O", (2.1, 2.1, 0.0), 501)], [ASP, HIS, *metals], None, None)
    assert "coordinates ZN A:900 ZN 2.1 A" in changes[0].what
    assert all(np.linalg.norm(kept[0].xyz[h] - metals[0].xyz["ZN"]) > 2.3 for h in ("H1", "H2"))


# --------------------------------------------------------------------------- preparation


def modified_pdb(folder: Path, left_out: tuple[str, ...] = ()) -> Path:
    """A peptide with a phosphothreonine at 3, some atoms missing."""
    receptor = phosphorylated("TPO")
    heavy = receptor.elements != "H"
    lines = []
    for i in np.flatnonzero(heavy):
        r = int(receptor.atom_residue[i])
        name, atom = str(receptor.residue_names[r]), str(receptor.atom_names[i])
        if r == 2 and atom in left_out:
            continue
        x, y, z = receptor.coordinates[i]
        lines.append(
            f"{'HETATM' if r == 2 else 'ATOM  '}{i + 1:5d}  {atom:<3} {name:>3} A{r + 1:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          {receptor.elements[i]:>2}"
        )
    path = folder / "modified.pdb"
    path.write_text("\n".join([*lines, "END"]) + "\n")
    return path


def prepared(path: Path, **settings: str | int) -> Receptor:
    raw = read_structure(path)
    chosen = PreparationSettings(**{"protonation": "model", "flips": False, **settings})
    return prepare_receptor(raw, name="x", kinase=None, uniprot_numbers=raw.author_numbers, settings=chosen)


@pytest.mark.parametrize("left_out", [(), ("O1P",), PHOSPHATE])
def test_a_phosphothreonine_is_kept_and_completed(tmp_path: Path, left_out: tuple[str, ...]) -> None:
    receptor = prepared(modified_pdb(tmp_path, left_out))
    index = receptor.residue_index(3)
    assert receptor.residue_names[index] == "TPO"
    names = {str(receptor.atom_names[i]) for i in receptor.atom_indices(index)}
    assert set(PHOSPHATE) <= names
    assert "HG1" not in names
    change = next(c for c in receptor.changes if c.residue_name == "TPO" and c.kind == "modified")
    assert "kept as the dianion" in change.what
    assert all(atom in change.what for atom in left_out)
    at = {str(receptor.atom_names[i]): receptor.coordinates[i] for i in receptor.atom_indices(index)}
    assert np.linalg.norm(at["P"] - at["OG1"]) == pytest.approx(1.61, abs=0.1)
    assert receptor_parameters(receptor).charges[receptor.atom_residue == index].sum() == pytest.approx(-2.0, abs=1e-6)


def test_a_phosphothreonine_is_reverted_on_request(tmp_path: Path) -> None:
    receptor = prepared(modified_pdb(tmp_path), phosphorylation="revert")
    index = receptor.residue_index(3)
    assert receptor.residue_names[index] == "THR"
    names = {str(receptor.atom_names[i]) for i in receptor.atom_indices(index)}
    assert "HG1" in names
    assert "P" not in names
    change = next(c for c in receptor.changes if c.residue_name == "TPO")
    assert change.what == "phosphorylated in the crystal, reverted to THR"


# --------------------------------------------------------------------------- files, docking, mutation


@pytest.fixture(scope="module")
def mixed() -> Receptor:
    """TPO, a calcium, a zinc, a chloride and two waters; one water has the UniProt number of a residue."""
    base = phosphorylated("TPO")
    shifted = dataclasses.replace(base, uniprot_numbers=base.author_numbers + 600)
    place = base.coordinates.max(axis=0)
    others = [("CA", 901, place + 4.0), ("ZN", 902, place + 8.0), ("CL", 903, place + 12.0)]
    return with_others(shifted, [*others, ("HOH", 912, place + 16.0), ("HOH", 950, place + 20.0)])


def rows_of(receptor: Receptor, numbers: list[int]) -> list[tuple[str, int, str, str]]:
    return [
        (str(receptor.residue_names[r]), numbers[r], str(receptor.atom_names[i]), str(receptor.elements[i]).upper())
        for i, r in enumerate(receptor.atom_residue)
    ]


@pytest.mark.parametrize("numbering", ["author", "uniprot"])
def test_pdb_and_mmcif_give_every_atom_back_in_gemmi(mixed: Receptor, tmp_path: Path, numbering) -> None:
    expected = rows_of(mixed, residue_labels(mixed, numbering)[0])
    for text, name in ((complex_pdb(mixed, [], numbering), "x.pdb"), (complex_mmcif(mixed, [], numbering), "x.cif")):
        path = tmp_path / name
        path.write_text(text)
        found = [
            (r.name, r.seqid.num, a.name, a.element.name.upper())
            for chain in gemmi.read_structure(str(path), merge_chain_parts=False)[0]
            for r in chain
            for a in r
        ]
        assert found == expected
    numbers = residue_labels(mixed, "uniprot")[0]
    assert len(set(numbers)) == len(numbers)
    assert numbers[7:10] == [901, 902, 903]


def test_pdb_records_follow_practice(mixed: Receptor) -> None:
    lines = complex_pdb(mixed, []).splitlines()
    atoms = [line for line in lines if line.startswith(("ATOM", "HETATM", "TER"))]
    assert [line[:6].strip() for line in atoms].index("TER") == mixed.n_atoms - 9
    assert sum(line.startswith("TER") for line in lines) == 1
    assert {line[17:20].strip() for line in atoms if line.startswith("HETATM")} == {"TPO", "CA", "ZN", "CL", "HOH"}
    assert all(line.startswith("HETATM") for line in atoms[mixed.n_atoms - 8 :])
    calcium = next(line for line in atoms if line[17:20] == " CA")
    assert (calcium[12:16], calcium[76:78]) == ("CA  ", "CA")
    assert next(line for line in lines if line.startswith("MODRES"))[12:27] == "TPO A  913  THR"
    assert any(line.startswith("CONECT") for line in lines)


def test_mdtraj_openmm_and_biotite_read_the_same_atoms(mixed: Receptor, tmp_path: Path) -> None:
    pdb, cif = tmp_path / "x.pdb", tmp_path / "x.cif"
    pdb.write_text(complex_pdb(mixed, [], "author"))
    cif.write_text(complex_mmcif(mixed, [], "author"))
    frame = mdtraj.load(str(pdb), standard_names=False)
    assert frame.xyz[0] * 10 == pytest.approx(mixed.coordinates, abs=2e-3)
    assert [a.name for a in frame.topology.atoms] == mixed.atom_names.tolist()
    assert [r.name for r in frame.topology.residues] == mixed.residue_names.tolist()
    again = app.PDBFile(str(pdb))
    named = {
        frozenset((a.name, b.name))
        for a, b in again.topology.bonds()
        if a.residue is b.residue and a.residue.name == "TPO"
    }
    assert named == {frozenset(bond) for bond in residue_templates()["TPO"].bonds}
    pdbx = pytest.importorskip("biotite.structure.io.pdbx")
    atoms = pdbx.get_structure(pdbx.CIFFile.read(str(cif)), model=1)
    assert atoms.atom_name.tolist() == mixed.atom_names.tolist()
    assert atoms.res_name.tolist() == mixed.residue_names[mixed.atom_residue].tolist()
    assert atoms.res_id.tolist() == mixed.author_numbers[mixed.atom_residue].tolist()
    assert atoms.hetero.tolist() == np.isin(atoms.res_name, ["TPO", "CA", "ZN", "CL", "HOH"]).tolist()


def test_docking_types(mixed: Receptor) -> None:
    types = dict(
        zip(zip(mixed.residue_names[mixed.atom_residue], mixed.atom_names, strict=True), atom_types(mixed), strict=True)
    )
    assert {types["TPO", a] for a in ("O1P", "O2P", "O3P", "OG1")} == {"OA"}
    assert (types["TPO", "P"], types["HOH", "O"], types["HOH", "H1"]) == ("P", "OA", "HD")
    assert (types["CA", "CA"], types["ZN", "ZN"], types["CL", "CL"], types["ALA", "CA"]) == ("Ca", "Zn", "Cl", "C")
    text = receptor_pdbqt(mixed)
    assert sum(line.endswith(" HD") for line in text.splitlines()) == types_count(mixed)
    for name in METALS:
        receptor = with_others(peptide(), [(name, 900, np.array([90.0, 0.0, 0.0]))])
        assert receptor_pdbqt(receptor).splitlines()[-1].split()[-1] == name.capitalize()


def types_count(receptor: Receptor) -> int:
    return atom_types(receptor).count("HD")


def test_numbers_mean_amino_acids_only(mixed: Receptor) -> None:
    assert mixed.residue_index(912) == 1
    with pytest.raises(StructureError):
        mixed.residue_index(950, "author")


def test_a_phosphorylated_residue_mutates_and_its_self_mutation_keeps_it(mixed: Receptor) -> None:
    number = int(mixed.uniprot_numbers[2])
    gone = build_variant(mixed, Variant((Substitution(number, "T", "A"),)))[0].receptor
    assert gone.residue_names[2] == "ALA"
    assert "P" not in {str(gone.atom_names[i]) for i in gone.atom_indices(2)}
    same = build_variant(mixed, Variant((Substitution(number, "T", "T"),)))[0].receptor
    assert same.residue_names[2] == "TPO"
    assert receptor_parameters(same).charges.sum() == pytest.approx(receptor_parameters(mixed).charges.sum())
    assert receptor_parameters(gone).n_atoms == gone.n_atoms


def test_a_water_in_the_way_of_a_side_chain_is_named_and_can_be_taken_away() -> None:
    base = peptide()
    at = {str(base.atom_names[i]): base.coordinates[i] for i in base.atom_indices(5)}
    beyond = at["CB"] + 2.0 * (at["CB"] - at["CA"]) / np.linalg.norm(at["CB"] - at["CA"])
    wet = with_others(
        base, [("HOH", 901, np.array([99.0, 0.0, 0.0])), ("HOH", 902, beyond), ("ZN", 903, beyond + 30.0)]
    )
    model = build_variant(wet, Variant((Substitution(316, "D", "A"),)), n_models=1)[0].receptor
    assert model.n_residues == wet.n_residues
    found = displaced_waters(model, [5])
    assert list(found) == [8]
    assert found[8].startswith("ALA 316 CB at 2.0 A")
    assert any("HOH A:902: overlaps" in note and "ALA 316 CB" in note for note in model.notes)
    dry = without_waters(model, found)
    assert dry.author_numbers[-2:].tolist() == [901, 903]
    assert dry.changes[-1].label == "HOH A:902"
    assert displaced_waters(dry, [5]) == {}
    assert receptor_parameters(dry).n_atoms == dry.n_atoms


# --------------------------------------------------------------------------- crystals


@pytest.mark.parametrize(("pdb", "names"), [("1atp", {"SEP", "TPO"}), ("3eyg", {"PTR"}), ("2gqg", {"PTR"})])
def test_phosphorylated_crystals_build_a_system(pdb: str, names: set[str]) -> None:
    path = SHARED / f"{pdb}.pdb"
    if not path.is_file():
        pytest.skip("shared/data/structures is not here")
    receptor = prepared(path, longest_loop=0)
    assert names <= set(receptor.residue_names.tolist())
    charges = receptor_parameters(receptor).charges
    for index in np.flatnonzero(np.isin(receptor.residue_names, sorted(names))):
        assert charges[receptor.atom_residue == index].sum() == pytest.approx(-2.0, abs=1e-6)
