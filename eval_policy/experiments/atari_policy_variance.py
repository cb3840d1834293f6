"""`python experiments/atari_policy_variance.py` inside eval_policy/: the published returns after updates on Atari.

Knows the script's name only; the job is the same as `python -m eval_policy` runs.
"""

import sys

from landscapes.config.entry import enter_script

if __name__ == "__main__":
    sys.exit(enter_script("eval_policy.published_atari", "atari_policy_variance"))
