"""The commands of ``feta-evaluate``, one file a group; may import everything of the evaluator."""
