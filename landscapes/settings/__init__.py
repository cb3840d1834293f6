"""What may be set: types, ranges and the settings of each algorithm, each in one place.

Knows no command line and no maths; importing it imports no JAX, so that mistakes show at once.
"""
