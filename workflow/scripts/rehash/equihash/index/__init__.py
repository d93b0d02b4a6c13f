"""From a network to an index: labels and weights go in; partitions that find the items of a fingerprint come out.

`encode` runs a network (`hashing` shows it blocks of views, `synthetic` does without one) and writes shards of
`fingerprints` and the `query_codes`;
`partitions` merges the shards; `lookup` opens all partitions as one index.
"""
