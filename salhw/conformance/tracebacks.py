"""What an exception says to the author of a backend: one line, and the way to it through code that is not salhw's."""

from __future__ import annotations

import traceback
from pathlib import Path

from salhw.diagnostics import SalhwError

ROOT = f"{Path(__file__).parents[1]}/"


def raised(error: BaseException) -> str:
    """Type, message and place of an exception, in one line; the traceback of a worker is in ``own_frames``."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SalhwError):
        error = type(error)(error.headline, error.diagnostics)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message, name = " ".join(str(error).split()), type(error).__name__
    return f"{message if message.startswith(name) else f'{name}: {message}'}{where}"


def own_frames(error: BaseException) -> dict[str, str]:
    """The traceback without the core of salhw, as ``details`` of an outcome; empty where nothing else took part."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(ROOT)]
    if not own:
        return {}
    lines = [*traceback.format_list(own), *traceback.format_exception_only(error)]
    return {"traceback": "".join(lines).rstrip()}
