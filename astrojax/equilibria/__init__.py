"""Fixed points of memories, their stability and kind, and their basins."""
