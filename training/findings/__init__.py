"""Congenital findings, grown into a healthy brain by flows that keep its topology, each to a size that was set."""
