"""Simulation of data and training of the weights that the submission ships."""
