"""The mechanism in a minute: two policies of like mean that ship with the package, measured one update away.

Knows the command lines a user would type and the files they write; does nothing that those commands do not.
"""
