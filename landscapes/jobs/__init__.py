"""What the three entry points share: the run of a job, its tracker, measuring block by block, its last words.

Knows jobs, run folders and trackers; knows no experiment.
"""
