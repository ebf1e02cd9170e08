"""``feta-train fit``: train the networks, each in the folder of its run."""
