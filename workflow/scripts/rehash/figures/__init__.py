"""Plots: each a function from a tidy table to a matplotlib Figure, in one style."""
