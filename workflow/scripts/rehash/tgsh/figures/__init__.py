"""The functions that draw the wing's figures; `rehash.tgsh.registry` lists the figures."""
