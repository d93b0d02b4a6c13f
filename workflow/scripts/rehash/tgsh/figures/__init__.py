"""The functions that draw the wing's figures; `rehash.tgsh.registry` lists the figures."""

from rehash.figures import style  # noqa: F401  (keeps a user's settings from the matplotlib that modules here import)
