"""The residual U-Net, its weights and the device it runs on; imports feta only."""
