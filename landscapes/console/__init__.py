"""What a terminal or a log file shows of a job: its plan, its progress, tables, the files it wrote, its one error.

Knows text and time only; knows nothing of what is trained or measured, and decides nothing.

On a terminal this is rich's; in a pipe, a file or a SLURM log it is plain lines, whole at any width: no number and no
path is ever shortened. Everything goes to stdout except errors. Text is shown as it is: `[seed0]` is not markup.
"""

from landscapes.console.printing import one_line_error, print_files, print_plan, print_table
from landscapes.console.progress import Progress
from landscapes.console.quantities import human_bytes, human_count, human_duration, human_rate

__all__ = [
    "Progress",
    "human_bytes",
    "human_count",
    "human_duration",
    "human_rate",
    "one_line_error",
    "print_files",
    "print_plan",
    "print_table",
]
