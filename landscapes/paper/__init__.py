"""The published experiment as one command: sizes, stages, the rule that chooses roots, and what came of its claims.

Knows the command lines of the entry points and the files that they leave; trains and measures nothing itself.
"""
