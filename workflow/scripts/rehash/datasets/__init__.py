"""Datasets: raw files are fetched, read from their formats, and written in one HDF5 layout."""
