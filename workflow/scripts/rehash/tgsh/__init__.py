"""Hong & Pavlic 2023: one frozen random network, a learned modulation per task."""
