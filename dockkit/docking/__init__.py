"""From a receptor and a ligand to a pose.

``receptor``    receptor record to PDBQT
``molecule``    the RDKit view of a ligand record: donors, acceptors, hydrogens rebuilt on moved heavy atoms
``vina``        AutoDock Vina, search and local optimisation; one file per engine
``anchored``    candidates grown from the hinge, for an engine to optimise
``search``      both together, on one scale
``starts``      ring puckers and amides that a torsion search cannot reach, as starting conformers
``merge``       poses of several searches as one list
``features``    what the annotated residues of a kinase say of a pose
``choose``      the pose a kinase chemist would pick: score, what the annotated residues say, refined energies
``bound``       a pose that the input already has, checked
``atp``         ATP (or ADP) with magnesium, placed on the annotated residues
``restraints``, ``torsions``    distance restraints, clashes and torsion space, with gradients

A second engine is one more file with functions of the signatures of :func:`dockkit.docking.vina.dock` and
:func:`dockkit.docking.vina.optimise`.
"""
