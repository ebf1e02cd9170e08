"""The commands of ``feta-train``, one file a group; may import all of training."""
