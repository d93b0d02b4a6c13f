"""The figures of the wing, one or two in a module; `rehash.equihash.registry` lists them."""
