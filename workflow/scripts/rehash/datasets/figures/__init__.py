"""The functions that draw datasets; `rehash.datasets.registry` lists the figures."""

from rehash.figures import style  # noqa: F401  (keeps a user's settings from the matplotlib that modules here import)
