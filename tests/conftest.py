"""What holds for all tests."""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
from collections.abc import Iterator

import compile_once
import pytest
import typer.testing

# A shell starts what it puts in the background with SIGINT ignored, and children inherit that: Ctrl-C would do nothing
# in any test that sends one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers of pytest-xdist share the cores: each computes on one, and so does what it starts. No result depends on it.
# This is read before any test imports numpy. Their parent's readline left them the size of a terminal.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("SALHW_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)

# Compiled modules are kept even where the machine says not to: tests start some hundred processes.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)  # before workers start
def pytest_sessionstart(session: pytest.Session) -> None:
    """In the process that starts workers, who are then all spared it."""
    if session.config.getoption("numprocesses", None):
        compile_once.compile_all()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: the garbage collector need not look through it, neither meanwhile (a third of
    the time that collecting takes) nor in any test. In tests it comes more rarely than by itself, when it would take
    3 % of their time, and 13 % of that of compiling."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(200_000)
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """What is left is not looked through for garbage: it goes with the process."""
    gc.freeze()


# The commands of the command line are made once for all tests that type some, not anew for each line.
typer.testing._get_command = functools.cache(typer.testing._get_command)


@pytest.fixture
def kinds_forgotten() -> Iterator[None]:
    """Kinds that a test defines are not known after it."""
    from salhw.description.kinds import Kind

    before = {group: dict(group.members) for group in Kind.__subclasses__()}
    yield
    for group, members in before.items():
        group.members.clear()
        group.members.update(members)
