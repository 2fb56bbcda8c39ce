"""Make am1bcc_charges.json with the original network code (PyTorch), as an oracle for dockkit.forcefield.charges.

Needs an environment of its own: ``pip install torch pytorch-lightning acellera-openff-nagl openff-nagl-models`` and
what these ask for at import. The file here was made with torch 2.13.0 and acellera-openff-nagl 0.5.5. Atom order:
RDKit's for the SMILES given, heavy atoms first, then the hydrogens that AddHs appends.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from openff.nagl.nn._models import GNNModel
from openff.toolkit import Molecule
from rdkit import Chem

MODEL = "openff-gnn-am1bcc-0.1.0-rc.3"
MOLECULES = {
    "imatinib": "Cc1ccc(NC(=O)c2ccc(CN3CC[NH+](C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1",
    "nilotinib": "Cc1cn(-c2cc(NC(=O)c3ccc(C)c(Nc4nccc(-c5cccnc5)n4)c3)cc(C(F)(F)F)c2)cn1",
    "dasatinib": "Cc1nc(Nc2ncc(C(=O)Nc3c(C)cccc3Cl)s2)cc(N2CCN(CCO)CC2)n1",
    "bosutinib": "COc1cc(Nc2c(C#N)cnc3cc(OCCCN4CC[NH+](C)CC4)c(OC)cc23)c(Cl)cc1Cl",
    "ponatinib": "Cc1ccc(C(=O)Nc2ccc(CN3CC[NH+](C)CC3)c(C(F)(F)F)c2)cc1C#Cc1cnc2cccnn12",
    "axitinib": "CNC(=O)c1ccccc1Sc1ccc2c(/C=C/c3ccccn3)n[nH]c2c1",
    "brigatinib": "COc1cc(N2CCC(CC2)N2CC[NH+](C)CC2)ccc1Nc1ncc(Cl)c(Nc2ccccc2P(C)(C)=O)n1",
    "dabrafenib": "CC(C)(C)c1nc(-c2cccc([N-]S(=O)(=O)c3c(F)cccc3F)c2F)c(s1)-c1ccnc(N)n1",
    "trametinib": "CC(=O)Nc1cccc(-n2c(=O)n(C3CC3)c(=O)c3c(Nc4ccc(I)cc4F)n(C)c(=O)c(C)c23)c1",
    "vandetanib": "COc1cc2c(Nc3ccc(Br)cc3F)ncnc2cc1OCC1CC[NH+](C)CC1",
    "ATP": "Nc1ncnc2c1ncn2[C@@H]1O[C@H](COP(=O)([O-])OP(=O)([O-])OP(=O)([O-])[O-])[C@@H](O)[C@H]1O",
    "arginine": "[NH3+][C@@H](CCCNC(N)=[NH2+])C(=O)[O-]",
    "benzamidinium": "NC(=[NH2+])c1ccc([N+](=O)[O-])cc1",
    "sulfoxide": "C[S@](=O)c1ccc(C(=O)[O-])cc1",
    "4-dimethylaminopyridinium": "CN(C)c1cc[nH+]cc1C",
}


def main() -> None:
    """Write am1bcc_charges.json beside this script."""
    package = importlib.util.find_spec("openff.nagl_models")
    weights = Path(next(iter(package.submodule_search_locations))) / "models" / "am1bcc" / f"{MODEL}.pt"
    network = GNNModel.load(str(weights), eval_mode=True)
    result = {}
    for name, smiles in MOLECULES.items():
        molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
        typed = Molecule.from_rdkit(molecule, allow_undefined_stereo=True)
        charges = network.compute_property(typed, check_lookup_table=False)
        result[name] = {"smiles": smiles, "charges": [round(float(charge), 7) for charge in charges]}
    lines = [f"{json.dumps(name)}: {json.dumps(item)}" for name, item in result.items()]
    target = Path(__file__).with_name("am1bcc_charges.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
