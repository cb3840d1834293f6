"""Results as CSV files, for other programs: `python -m landscapes.export RUN...`.

Knows which tables results make; knows no file format but CSV, and no statistic.
"""
