"""What teams hand in: found, checked, read without trust. Imports feta only."""
