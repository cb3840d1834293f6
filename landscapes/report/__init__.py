"""The report: one page that shows what was measured of runs, and a moving picture for slides.

Knows result files and how to show them; holds no maths of its own, never touches a simulator, and loads nothing from
the network.
"""
