"""Frames, resampling, the way back to native space, and the result of a segmentation; imports feta only."""
