"""What Linux says of the memory of a process."""

from __future__ import annotations

from pathlib import Path


def held(name: str) -> int:
    """Bytes of this process: its present memory without pages of files (``RssAnon``), or the most of all that it has
    had (``VmHWM``), where what its parent had when it was started does not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
