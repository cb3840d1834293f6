"""Commands in stages, as a published experiment is: what all of them are told, and how they are shown or run.

Knows command lines and processes; knows no experiment and no run.
"""
