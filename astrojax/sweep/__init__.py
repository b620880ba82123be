"""Batched sweeps of samples over axes."""
