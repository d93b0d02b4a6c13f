"""Code that all figures share: their registry, their style, the look of lines of several seeds, and the drawing job.

A figure draws what its tables have and computes nothing that is shown as a number.
"""
