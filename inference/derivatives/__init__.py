"""Derivatives as BIDS has them: names of files, what describes a data set, and the official validator. Below `runs`."""
