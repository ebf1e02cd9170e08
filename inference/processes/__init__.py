"""Processes: several that share the work of one call, and how each of them ends; a thread that reads ahead."""
