"""Sizes, lengths of time, counts and rates as people read them.

Knows numbers and units only.
"""

import math


def human_bytes(count: float) -> str:
    """A number of bytes in decimal units with two or three digits: "512 B", "5.1 GB", "31 GB"."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5 or unit == "TB":
            break
        value /= 1000.0
    digits = 0 if unit == "B" or abs(value) >= 9.95 else 1
    return f"{value:.{digits}f} {unit}"


def human_duration(seconds: float) -> str:
    """A length of time in its two largest units: "0.4 s", "41 s", "3 min 20 s", "1 h 08 min", "2 d 03 h"."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02d} h"


def human_count(count: float) -> str:
    """A count, rounded to a whole number, with every digit: "1,000,000"."""
    return f"{round(count):,}"


def human_rate(per_second: float) -> str:
    """So many a second: "1,234", "3.52"."""
    if not math.isfinite(per_second):
        return "?"
    return human_count(per_second) if per_second >= 100 else f"{per_second:.3g}"
