"""Agents in environments: unrolls for learning, episodes for measuring, and the log of transitions.

Knows the environment contract and the functions `act` and `explore`; knows no concrete algorithm.
"""
