"""Phases of a challenge: when teams may hand in, what they did, which of it counts, and the site of the boards."""
