"""Label maps with the topology that tissues have, by simple points; imports feta only."""
