"""The submission: a volume goes in, a label map and five lengths come out."""
