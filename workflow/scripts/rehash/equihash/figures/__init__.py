"""The figures of the wing, one or two in a module; `rehash.equihash.registry` lists them."""

from rehash.figures import style  # noqa: F401  (keeps a user's settings from the matplotlib that modules here import)
