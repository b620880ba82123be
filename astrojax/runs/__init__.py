"""From a configuration to a run folder, and back."""
