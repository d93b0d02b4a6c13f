"""The functions that draw the wing's figures; `rehash.hash_encoders.registry` lists the figures."""
