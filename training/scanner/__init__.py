"""From a brain to a stored T2w volume: stacks of slices, motion, reconstruction, site.

May import anatomy, phantom and imaging.
"""
