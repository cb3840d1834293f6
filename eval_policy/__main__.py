"""`python -m eval_policy` from the repository's root.

Knows the entry point's name only; everything else is in landscapes.config.
"""

import sys

from landscapes.config.entry import enter

if __name__ == "__main__":
    sys.exit(enter("eval_policy"))
