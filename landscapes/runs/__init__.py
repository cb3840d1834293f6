"""Browsing: `python -m landscapes.runs` lists runs, shows one, compares several, and writes their numbers as CSV.

Knows run folders and terminals; reads files only, and leaves every statistic to `landscapes.statistics`.
"""
