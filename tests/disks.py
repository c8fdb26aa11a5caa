"""A disk that is full, and one that may not be written to."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full(limit: int = 300) -> Iterator[None]:
    """No file may grow beyond so many bytes: RLIMIT_FSIZE ends a write in the middle, as a full disk does. Nor
    does Python keep compiled modules meanwhile: it does not notice where such a file ends, and would read it later."""
    before, kept = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        sys.dont_write_bytecode = kept


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root writes everywhere, so for a while it is nobody."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)
