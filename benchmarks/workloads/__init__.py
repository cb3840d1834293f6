"""What workers run, one module a benchmark; each function takes plain settings and returns a `Workload`.

`peer` imports nothing of the suite: it runs in the peer's virtual environment.
"""
