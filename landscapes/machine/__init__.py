"""The computer that jobs run on: its devices, its compiler, its folders, requests to stop.

Knows JAX's settings, signals and environment variables; knows no agent and no experiment.
"""
