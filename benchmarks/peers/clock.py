"""Processor time: what a busy machine leaves as it is, and on a quiet one the time on the clock of one thread."""

from __future__ import annotations

import os
import time
from pathlib import Path


def processor_time(pid: int | None = None) -> float:
    """Seconds that this process has used, and another one, which is counted in hundredths."""
    if pid is None:
        return time.process_time()
    status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")
