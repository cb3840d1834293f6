"""The landscape studies: neighbourhoods, their measurement, paths, slices, roll-outs, rejection, cloning.

Knows the algorithm record; knows no concrete algorithm and no file.
"""
