"""The entropy of tuples of bits: logits and a set of tuples go in, the sum of entropies and its gradient come out."""
