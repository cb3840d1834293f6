"""The command `landscapes`: which commands there are, and what a shell completes.

Knows names of modules, which it does not import; knows nothing of what a command does.
"""
