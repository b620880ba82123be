"""Configuration, provenance and storage of runs: arrays and settings, no models."""
