"""The figures of the wing, one in a module; `rehash.comparison.registry` lists them."""

from rehash.figures import style  # noqa: F401  (keeps a user's settings from the matplotlib that modules here import)
