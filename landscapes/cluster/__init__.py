"""SLURM: its queue, submission to it, and what was submitted as one sweep.

Knows squeue, submitit and the folder of a sweep; knows nothing of what a job computes.
"""
