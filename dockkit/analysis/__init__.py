"""Geometry, contacts and statistics of trajectories: arrays in, arrays out."""
