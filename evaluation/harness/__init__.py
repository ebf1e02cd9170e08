"""Running teams' containers in isolation; may import submissions."""
