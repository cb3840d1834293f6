"""Mistakes that a user can mend, as one line each.

Knows the form of that line; knows nothing of where a setting comes from or of how a process ends.
"""

_LONGEST = 200
"""Characters of a value that are shown."""


class UserError(Exception):
    """A setting, name or file that cannot be used: names the key, the value and what is allowed or present instead."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(key, value, allowed)
        self.key = key
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        value = str(self.value)
        if len(value) > _LONGEST:
            value = f"{value[:_LONGEST]}... ({len(value)} characters)"
        return f"{self.key}={value}: {self.allowed}".replace("\n", " ")
