"""Dice, HD95, volume similarity, Betti numbers and length errors of one pair; imports feta only."""
