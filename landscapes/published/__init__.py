"""Published experiments as commands: runs that differ in few settings, what is measured of them, and their figures.

Knows files that say so, one for each experiment, and the commands that do it; knows no setting by name, no algorithm.
"""
