"""From a label map to five lengths: landmarks, geometry, volumes, age, and their fusion.

May import networks and geometry, never segmentation.
"""
