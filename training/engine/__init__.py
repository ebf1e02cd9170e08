"""The training loop, checkpoints, losses, optimisers, export; may import data."""
