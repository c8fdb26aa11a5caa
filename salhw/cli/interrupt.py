"""Ctrl-C that ends a command in time, whatever it is at.

Python acts on a signal between two of its own instructions, and one call into a library (sorting a hundred million
synapses, say) may last for a minute. A thread hears of the signal at once, and ends the process where the main thread
does not by itself. What backends have started ends with it: their supervisors watch for that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from salhw.cli.report import INTERRUPTED, say_interrupted

GRACE = 1.2  # s for the main thread to clear up
_heard = threading.Event()


def interrupted() -> bool:
    """Whether there was a Ctrl-C."""
    return _heard.is_set()


def watch() -> None:
    """Begin to; for the main thread. Where SIGINT is ignored, as in the background of a shell, it stays so."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    hears, tells = os.pipe()
    os.set_blocking(tells, False)
    signal.signal(signal.SIGINT, _interrupt)
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(hears,), name="salhw-interrupt", daemon=True).start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _listen(hears: int) -> None:
    while True:
        for number in os.read(hears, 64):
            if number != signal.SIGINT:
                continue
            if _heard.is_set():  # a second one: now
                _leave()
            _heard.set()
            timer = threading.Timer(GRACE, _leave)
            timer.daemon = True
            timer.start()


def _leave() -> None:
    if sys.stderr.isatty():
        os.write(2, b"\x1b[?25h")  # a progress bar has hidden the cursor
    say_interrupted()
    os._exit(INTERRUPTED)
