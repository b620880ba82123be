"""Figures for papers, from the results of a run. `astrojax show` draws the same."""

from .report.figures import curves, difference, heat_map, save

__all__ = ["curves", "difference", "heat_map", "save"]
