"""A results folder of nnU-Net v2 (Isensee et al., Nature Methods 2021) in place of our own segmentation network."""
