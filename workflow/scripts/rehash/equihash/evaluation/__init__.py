"""How well a network hashes: an index and queries go in, tables of metrics with intervals come out.

`counts` evaluates one partition, with the counting functions of `retrieval`, `collisions` and `probing`; `summary` adds
partitions up to the metrics of a network; `comparison` puts networks side by side; `distances` needs no index.
"""
