"""What Linux tells of processes."""

from __future__ import annotations

import os
from pathlib import Path

from salhw.worker.supervisor import processes


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (proc(5)); none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended, but whose parent was killed before, may take the machine's first
    process a second to notice."""
    return bool(fields := stat(pid)) and fields[0] != "Z"


def parent(pid: int) -> int:
    return int(stat(pid)[1])


def busy(pid: int) -> float:
    """s of a processor that a process has used; 0 if it is gone."""
    fields = stat(pid)
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def marked(mark: str) -> list[int]:
    """The processes that have a mark in their environment."""
    found = []
    for pid in processes():
        try:
            if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found
