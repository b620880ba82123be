"""Read and write the contents of a run folder."""
