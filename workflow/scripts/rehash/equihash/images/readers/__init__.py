"""Readers of raw images for banks, one module per format; `read` returns the splits train, valid and test."""
