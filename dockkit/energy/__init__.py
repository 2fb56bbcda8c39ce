"""MM-GBSA binding energies of one geometry, and what each residue contributes."""

from dockkit.energy.binding import PROBE_RADIUS, SURFACE_TENSION, BindingEnergy
from dockkit.energy.born import born_radii

__all__ = ["PROBE_RADIUS", "SURFACE_TENSION", "BindingEnergy", "born_radii"]
