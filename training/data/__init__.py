"""Subjects, their split and lineage, the guard against leakage; may import imaging."""
