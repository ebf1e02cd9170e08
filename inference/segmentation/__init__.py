"""From a volume to a label map: pose, brain extraction, prediction, post-processing.

May import networks, topology and geometry, never biometry.
"""
