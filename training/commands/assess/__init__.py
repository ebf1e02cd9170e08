"""``feta-train assess``: measure weights, simulated data and lengths, and fit what depends on the weights."""
