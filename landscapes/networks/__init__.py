"""What algorithms are built of: networks, losses and densities, optimizers.

Knows arrays and parameter trees; knows no algorithm and no environment.
"""
