"""`python experiments/ppo_atari_envpool.py` inside run_algorithm/: the published training on Atari.

Knows the script's name only; the job is the same as `python -m run_algorithm` runs.
"""

import sys

from landscapes.config.entry import enter_script

if __name__ == "__main__":
    sys.exit(enter_script("run_algorithm.published_atari", "ppo_atari_envpool"))
