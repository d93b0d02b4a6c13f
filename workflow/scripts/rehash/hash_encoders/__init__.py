"""Neural networks behave as hash encoders (He et al. 2021, arXiv 2101.05490)."""
