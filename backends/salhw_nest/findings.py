"""The two kinds of findings that lowering to NEST makes."""

from __future__ import annotations

from salhw.diagnostics import Diagnostic


def together(path: str, asked: str, supported: str, fix: str) -> Diagnostic:
    """What NEST has, but not with what stands beside it in the network."""
    return Diagnostic("SAL107", path, asked, supported, fix)


def different(code: str, path: str, asked: str, size: str, fix: str) -> Diagnostic:
    """What NEST does otherwise, with its size."""
    return Diagnostic(code, path, asked, size, fix, severity="approximation")
