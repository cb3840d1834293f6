"""`python main.py` inside this folder.

Knows the entry point's name only; everything else is in landscapes.config.
"""

import sys

from landscapes.config.launch import run_entry_point

if __name__ == "__main__":
    sys.exit(run_entry_point("improve_ltp"))
