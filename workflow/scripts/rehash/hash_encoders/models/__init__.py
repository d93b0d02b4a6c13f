"""Networks of any shape, ours and others', and the codes of their layers."""
