"""Random sources, random fields, elastic deformation and filters; imports feta and inference.geometry only."""
