"""What samples of returns say: statistics, their intervals, comparisons of samples; tables and sequential tests beside.

Knows float64 NumPy arrays of returns; knows nothing of policies, environments or files.
"""

from landscapes.statistics.comparisons import (
    Valley,
    common_bins,
    histogram,
    same_mean_pairs,
    share_in_left_tail,
    tail_below_median,
    valley,
)
from landscapes.statistics.intervals import bootstrap_interval, iqm_interval, paired_bootstrap_interval, summarize
from landscapes.statistics.samples import (
    NUM_BINS,
    Floats,
    Statistic,
    cvar,
    interquartile_mean,
    interquartile_range,
    left_tail_probability,
    mean,
    median,
    mode,
    of_rows,
    over_samples,
    quantile,
    quantiles,
    skewness,
    std,
)

__all__ = [
    "NUM_BINS",
    "Floats",
    "Statistic",
    "Valley",
    "bootstrap_interval",
    "common_bins",
    "cvar",
    "histogram",
    "interquartile_mean",
    "interquartile_range",
    "iqm_interval",
    "left_tail_probability",
    "mean",
    "median",
    "mode",
    "of_rows",
    "over_samples",
    "paired_bootstrap_interval",
    "quantile",
    "quantiles",
    "same_mean_pairs",
    "share_in_left_tail",
    "skewness",
    "std",
    "summarize",
    "tail_below_median",
    "valley",
]
