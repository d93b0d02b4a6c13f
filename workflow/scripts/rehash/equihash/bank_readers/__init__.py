"""Readers of raw pictures for banks, one module a format; `read` gives the splits train, valid and test."""
