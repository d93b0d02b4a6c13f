"""Task-specific geometric sensitive hashing (Hong & Pavlic 2023): one frozen random network, a modulation per task."""
