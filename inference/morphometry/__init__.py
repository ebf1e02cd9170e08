"""Sizes of a brain beside the challenge's five lengths: volumes, sides, further lengths; and the norms for its age."""
