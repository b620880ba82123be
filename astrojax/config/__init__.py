"""What may stand in a configuration file; no numerical library is needed."""
