"""The labels of a database's items and the queries on it: a bank goes in, labels and queries come out.

`labels` draws the labels in shards; `label_files` reads the shards; `queries` draws positive and negative queries and
pairs from them.
"""
