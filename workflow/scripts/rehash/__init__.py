"""rehash: learned hashing from raw data to tables and figures.

Import the module that holds what you need (`from rehash.bits import pack`); this package re-exports nothing, so that a
script pays only for the libraries it uses.
"""
