"""Readers of real file formats into one HDF5 layout."""
