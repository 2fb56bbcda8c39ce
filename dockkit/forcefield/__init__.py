"""Ligand charges and parameters, and the OpenMM system that is assembled from them."""
