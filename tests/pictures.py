"""Pictures that a test leaves undrawn, because another one draws them and looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BLANK = b"\x89PNG\r\n\x1a\n" + bytes(1000)


@contextmanager
def undrawn() -> Iterator[None]:
    """Figures are made as ever. What takes most of the time, to lay them out and to paint them, is left out, and their
    files are blank."""

    def blank(figure: Any, form: str, *, dpi: int) -> bytes:
        return BLANK

    with pytest.MonkeyPatch.context() as patch:
        for module in ("salhw.io.files", "salhw.comparison.html", "salhw.study.page"):
            patch.setattr(f"{module}.picture_of", blank)
        yield
