"""How fast the suite is, beside the machine's limits and beside a peer: `python -m benchmarks`, `make bench`.

Knows nothing itself. Nothing in the suite imports this package; workers may run where the suite is not installed.
"""
