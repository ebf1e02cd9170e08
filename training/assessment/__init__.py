"""Measuring weights: validation, robustness, topology, lengths; robustness imports nothing of synthesis."""
