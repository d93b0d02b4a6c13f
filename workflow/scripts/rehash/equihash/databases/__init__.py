"""The labels of a database's items and the queries on it: a bank goes in, labels and queries come out.

`labels` computes any item's label from its number; `label_files` keeps how, or the labels of a file of others
(`public_labels`); `queries` draws positive and negative queries and pairs from them.
"""
