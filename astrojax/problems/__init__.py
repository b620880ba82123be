"""What is to be recalled: patterns, corrupted queries, reference decoders, observables."""
