"""The generative model of fetal brains, learned from atlases; may import data and imaging."""
