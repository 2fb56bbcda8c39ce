"""From a receptor and a ligand to a pose.

``receptor``   receptor record to PDBQT
``molecule``   the RDKit view of a ligand record: donors, acceptors, hydrogens rebuilt on moved heavy atoms
``vina``       AutoDock Vina; one file per engine
``choose``     the pose a kinase chemist would pick: score plus what the annotated residues say
``bound``      a pose that the input already has, checked
``atp``        ATP (or ADP) with magnesium, placed on the annotated residues

A second engine is one more file with a function of the signature of :func:`dockkit.docking.vina.dock`.
"""
