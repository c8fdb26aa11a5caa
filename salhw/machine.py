"""How much memory this machine has, whether what is asked for fits into it, and how seldom garbage is looked for."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path

import numpy as np

from salhw.diagnostics import Diagnostic, SessionError

RESERVE = 128_000_000  # bytes that a run leaves free: what one stretch of it may record, and Python's own needs


CHIP = 1_500  # bytes of a Chip


UNKNOWN = 2**63 - 1


CGROUPS = ("/sys/fs/cgroup", "/sys/fs/cgroup/memory")
NO_LIMIT = 2**62  # what "no limit" is in control groups of the first version lies above


@dataclass(frozen=True)
class Memory:
    """Bytes that a session takes on this machine at its peak, the processes that it starts included.

    Args:
        once: whatever the number of instances, the description's arrays as the session holds them included.
        each: more for each instance.
        spike, sample: more for each spike and each sample of a membrane that a run keeps, until its recording is made.
        every_spike: whether spikes are kept that no probe asks for.
        every_step: whether membranes are kept at every step, whatever the probe asks for.
        longest: path and size in ms of the time on which most of it depends, if it does: what it takes goes with it.
    """

    once: int
    each: int
    spike: int = 150
    sample: int = 64
    every_spike: bool = True
    every_step: bool = False
    longest: tuple[str, float] | None = None

    def of(self, instances: int) -> int:
        """Of that many instances."""
        return self.once + instances * self.each

    def __str__(self) -> str:
        return f"{amount(self.once)} of memory, and {amount(self.each)} for each instance"


NOTHING = Memory(0, 0)


def amount(size: float) -> str:
    """Bytes as a person reads them: ``3.2 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:,.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def available() -> int:
    """The bytes that this process and its children may still take: the least that the machine, the control groups that
    this process is in and its own limits leave."""
    return max(0, min((UNKNOWN, *_machine(), *_groups(), *_limits())))


def _machine() -> Iterator[int]:
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        if "SC_PHYS_PAGES" in os.sysconf_names:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            yield 1024 * int(line.split()[1])


def _groups() -> Iterator[int]:
    """What is left in each control group above this process; what files occupy there can be had back."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if controllers
            else ("memory.max", "memory.current", "inactive_file")
        )
        root = Path(CGROUPS[bool(controllers)])
        here = root / path.lstrip("/")
        for group in (here, *here.parents):
            try:
                most = int((group / limit).read_text())
                if most < NO_LIMIT:  # what a group has taken is counted when it is read, which is slow
                    taken = int((group / usage).read_text())
                    stat = dict(row.split() for row in (group / "memory.stat").read_text().splitlines())
                    yield most - taken + int(stat.get(cache, 0))
            except (OSError, ValueError):  # no such group here, or no limit ("max")
                pass
            if group == root:
                break


def _limits() -> Iterator[int]:
    """``ulimit -v`` and ``ulimit -d``."""
    try:
        import resource

        pages = [int(n) for n in Path("/proc/self/statm").read_text().split()]
    except (ImportError, OSError):
        return
    for limit, taken in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY:
            yield most - taken * resource.getpagesize()


def refuse_instances(memory: Memory, asked: object, path: str = "instances") -> None:
    """Refuse a session of so many instances or chips (a number, or something of that length), before anything is made
    of them.

    Raises:
        SessionError: SAL221 they do not fit. What is no number and has no length is left to others.
    """
    many = _how_many(asked)
    need = memory.of(many)
    if need <= RESERVE or need <= (there := available()):
        return
    fit = rounded(0.9 * (there - memory.once) / memory.each) if memory.each else 0
    fix = f"at most {fit:,} at a time" if fit else "a smaller or sparser network, or a machine with more memory"
    each = f"{amount(need)} of memory ({memory})"
    finding = Diagnostic("SAL221", path, f"{many:,}, {each}", f"{amount(there)} available on this machine", fix)
    raise SessionError("SessionError: the machine's memory is too small", [finding])


def _how_many(asked: object) -> int:
    if isinstance(asked, int | np.integer):
        return min(int(asked), UNKNOWN)  # floats hold no number of hundreds of digits
    try:
        return len(asked) if isinstance(asked, Sized) else 1
    except OverflowError:  # of a range
        return UNKNOWN
    except TypeError:  # of an array without a dimension
        return 1


def rounded(value: float) -> int:
    """Down to two digits."""
    if value < 1.0:
        return 0
    unit = 10 ** max(0, floor(log10(value)) - 1)
    return int(value // unit * unit)


def collect_rarely() -> None:
    """Spare a process that is salhw's own most garbage collection, a quarter of a short command's time.

    To be called once all is imported that the process always needs. What there is by then is not looked through any
    more, what comes is more rarely, and at the end nothing is, as all of it goes with the process.
    """
    gc.freeze()
    gc.set_threshold(10_000)  # objects; 700 by Python itself
    atexit.register(gc.freeze)
