"""Tables and figures, made from stored runs and plain arrays alone."""
