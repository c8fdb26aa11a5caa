"""What other packages bring, found by entry point."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from salhw.diagnostics import BackendError, Diagnostic


def installed(group: str, what: str) -> Iterator[tuple[str, str, object]]:
    """(name, where it is, object) of every entry point of a group, in the order of the names.

    Raises:
        BackendError: one that cannot be loaded; ``what`` says what it should have been.
    """
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        try:
            yield entry.name, entry.value, entry.load()
        except Exception as error:
            asked = f"{type(error).__name__}: {error}"
            raise broken(what, entry.name, entry.value, asked, "a module that imports") from error


def broken(what: str, name: str, path: str, asked: str, supported: str) -> BackendError:
    """The error for a plug-in that cannot be used."""
    finding = Diagnostic("SAL602", path, asked, supported, "mend or uninstall the package that brings it")
    return BackendError(f"BackendError: {what} {name!r} is broken", [finding])
