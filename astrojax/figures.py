"""Figures for papers, from the results of a run: `astrojax show` draws the same.

```python
results = aj.load("runs/fig4")
figure = aj.figures.curves(results, "hamming_error", along="num_flips")
aj.figures.save(figure, "errors.pdf")
```
"""

from .report.figures import curves, difference, heat_map, save

__all__ = ["curves", "difference", "heat_map", "save"]
