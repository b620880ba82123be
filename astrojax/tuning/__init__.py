"""Gradient-based search of hyperparameters: differentiate through retrieval, and follow the gradient."""
