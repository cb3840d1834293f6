"""Trains agents: one of the three entry points.

Holds one module per experiment; knows nothing of how a command line becomes a job.
"""
