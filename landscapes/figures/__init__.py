"""Figures for papers and pages, drawn from result files alone.

Knows HDF5 files, statistics and matplotlib; knows nothing of policies, environments or algorithms, and computes
nothing that `landscapes.statistics` does not.
"""

from landscapes.figures.curves import learning_curves
from landscapes.figures.distributions import purd_histograms, rejection_figure

__all__ = ["learning_curves", "purd_histograms", "rejection_figure"]
