"""Duchesneau's thesis: learned equihash functions."""
