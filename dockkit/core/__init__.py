"""Records, settings, units, errors and file formats; no science, nothing above it."""
