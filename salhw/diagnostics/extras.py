"""Libraries that only some uses need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from salhw.diagnostics import BackendError, Diagnostic


def extra(module: str, why: str, fix: str) -> Any:
    """A module of an optional library, imported now.

    Args:
        why: what needs it, for the headline of the error.
        fix: the command that installs it.

    Raises:
        BackendError: SAL905 it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        finding = Diagnostic("SAL905", module.partition(".")[0], str(error), "installed", fix)
        raise BackendError(f"BackendError: {why}", [finding]) from None
