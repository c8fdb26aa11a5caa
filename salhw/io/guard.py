"""A program of its own that reads an HDF5 file from one end to the other, to see whether that can be done at all.

Damaged HDF5 files make its library loop for ever (deaf to Ctrl-C), crash, or ask for any amount of memory. So a file
that is not known to be as salhw wrote it is read here first, in a process with limits; what comes through is safe to
read. It imports nothing of salhw, to begin fast, and says on stdout what is wrong: nothing, if all is well.

Whoever reads the file afterwards must read in the same way: data sets whole, by their plain names.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

MEMORY = 700 << 20
"""Bytes of address space for the process and what it reads of a small file."""
FREE, RATIO = 200 << 20, 20
"""Bytes that data may have in any case, and beyond that for each byte of the file. gzip reaches 1000, and so do bombs;
what salhw writes carries a stamp and needs no guard."""
DEPTH = 6
TIME, SPEED = 0.5, 20_000_000
"""Seconds of computing that reading may take, and bytes of the file for each second more."""


def limits(size: int) -> tuple[int, float]:
    """Bytes of data and seconds of computing that a file of ``size`` bytes may take."""
    return FREE + RATIO * size, TIME + size / SPEED


def bind(size: int) -> None:
    """Limit this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    data, seconds = limits(size)
    signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, wherever that is
    for what, most in ((resource.RLIMIT_AS, MEMORY + 2 * (data - FREE)), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (most, hard))
        except (OSError, ValueError):  # a system that knows the limit and does not set it
            continue


class Refused(Exception):
    """What is wrong with the file."""


class Walk:
    """One pass over a file of ``size`` bytes; ``left`` bytes of data may still come."""

    def __init__(self, size: int) -> None:
        self.size, self.left = size, limits(size)[0]

    def group(self, group: Any, depth: int = 0) -> None:
        import h5py

        if depth > DEPTH:
            raise Refused("groups inside each other without end")
        self.attributes(group)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"{name!r} is a link to somewhere else")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                self.group(entry, depth + 1)
            elif isinstance(entry, h5py.Dataset):
                self.dataset(name, entry)
            else:
                raise Refused(f"{name!r} is no data set")

    def dataset(self, name: str, data: Any) -> None:
        self.attributes(data)
        if data.external or data.is_virtual:
            raise Refused(f"{name!r} has its data in other files")
        if data.shape is None:
            raise Refused(f"{name!r} is empty")
        self.account(name, data.dtype, data.nbytes)
        stored = data.id.get_storage_size()
        if data.chunks is None:
            if data.nbytes and stored > self.size:
                raise Refused(f"{name!r} claims more bytes than the file has")
        elif data.size:
            wanted = 1
            for length, piece in zip(data.shape, data.chunks, strict=True):
                wanted *= -(-length // piece)
            if data.id.get_num_chunks() != wanted or stored > self.size:
                raise Refused(f"{name!r} lacks a part of its data")
        data[()]

    def attributes(self, entry: Any) -> None:
        import h5py

        for k in range(h5py.h5a.get_num_attrs(entry.id)):
            attribute = h5py.h5a.open(entry.id, index=k)
            size = attribute.get_storage_size()
            if size > self.size:
                raise Refused("an attribute claims more bytes than the file has")
            self.account("an attribute", attribute.dtype, size)
        for name in entry.attrs:
            entry.attrs[name]

    def account(self, name: str, dtype: Any, size: int) -> None:
        import h5py

        if dtype.kind == "O" and h5py.check_string_dtype(dtype) is None:
            raise Refused(f"{name!r} holds neither numbers nor text")
        self.left -= size
        if self.left < 0:
            raise Refused("it claims far more data than a file of its size holds")


def main(path: str) -> str:
    """What is wrong with the file; nothing, if it can be read."""
    import os

    size = os.path.getsize(path)  # noqa: PTH202
    import h5py

    bind(size)
    try:
        with h5py.File(path, "r") as file:
            Walk(size).group(file)
    except MemoryError:
        return "it claims far more data than a file of its size holds"
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    import gc
    import os

    gc.disable()  # this takes a tenth of a second, a tenth of it for garbage
    sys.path[:] = sys.argv[2:]
    fault = main(sys.argv[1])
    sys.stdout.buffer.write(fault.encode(errors="replace"))
    sys.stdout.flush()
    os._exit(bool(fault))  # what is open cannot always be closed, and need not be
