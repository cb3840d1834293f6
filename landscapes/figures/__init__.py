"""Figures for papers and pages, drawn from result files alone.

Knows HDF5 files, statistics and matplotlib; knows nothing of policies, environments or algorithms, and computes
nothing that `landscapes.statistics` does not.
"""

from landscapes.figures.curves import learning_curves
from landscapes.figures.distributions import purd_histograms
from landscapes.figures.gradients import gradient_norms
from landscapes.figures.pairs import same_mean_pairs
from landscapes.figures.paths import paths_figure
from landscapes.figures.rejection import rejection_figure
from landscapes.figures.ridges import purd_ridges
from landscapes.figures.slices import slice_figure
from landscapes.figures.spread import mean_against_spread

__all__ = [
    "gradient_norms",
    "learning_curves",
    "mean_against_spread",
    "paths_figure",
    "purd_histograms",
    "purd_ridges",
    "rejection_figure",
    "same_mean_pairs",
    "slice_figure",
]
