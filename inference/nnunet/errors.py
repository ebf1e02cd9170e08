"""What nnU-Net can do and this package cannot."""

from __future__ import annotations


class Unsupported(Exception):
    """A valid plan that can't be followed here; the message names the entry."""
