"""The contract that the submission and the evaluator share.

Labels, measurements, guarded volume I/O, what lies in an input folder, what
lies in an output folder, and the linear age model. NumPy and SimpleITK only.
"""

__version__ = "0.1.0"
