"""ATP or ADP with magnesium: which atom is which, what a kinase holds of it, and whether a pose has these contacts."""
