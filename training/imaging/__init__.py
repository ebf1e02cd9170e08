"""Random sources and fields, elastic deformation, filters, fluid; imports feta and inference.geometry only."""
