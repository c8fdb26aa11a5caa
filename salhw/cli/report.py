"""How the commands answer: tables on stdout, or one JSON document; errors as diagnostics with an exit status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from salhw.diagnostics import (
    BackendError,
    CalibrationError,
    Diagnostic,
    FileError,
    SalhwError,
    SessionError,
    UnsupportedNetworkError,
    file_error,
)
from salhw.memory import amount, available

SAID = "Interrupted; nothing more is written."
SHORT_FALL, WRONG_USAGE, INTERRUPTED = 1, 2, 130
SHORT = (UnsupportedNetworkError, BackendError, SessionError, CalibrationError)
PIPE_WIDTH = 118  # columns where there is no terminal that could tell


def console() -> Console:
    """A console on stdout; made anew each time, because stdout may have been replaced."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPE_WIDTH if piped else None, highlight=False)


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> None:
    """A table; ``numbers`` are the columns aligned to the right."""
    table = Table(title=escape(title) or None, title_justify="left", title_style="bold")
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def status_of(error: SalhwError) -> int:
    """1 where the network or the backend falls short, 2 where the command was used wrongly."""
    return SHORT_FALL if isinstance(error, SHORT) else WRONG_USAGE


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turn every expected error into its diagnostic and an exit status, and Ctrl-C into one line.

    Raises:
        typer.Exit: after an error.
    """
    try:
        yield
    except SalhwError as error:
        _print_error(error, as_json)
        raise typer.Exit(status_of(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        where, reason = str(error.filename or "file"), error.strerror or str(error)
        finding = Diagnostic("SAL501", where, "", reason, "check the path, its permissions and the space on the disk")
        _print_error(FileError("FileError: cannot read or write", [finding]), as_json)
        raise typer.Exit(WRONG_USAGE) from None
    except MemoryError as error:
        supported = f"memory ran out; {amount(available())} available now"
        finding = Diagnostic(
            "SAL221", "memory", str(error) or "more", supported, "a smaller network, or fewer at a time"
        )
        _print_error(SessionError("SessionError: the machine's memory is too small", [finding]), as_json)
        raise typer.Exit(SHORT_FALL) from None
    except KeyboardInterrupt:
        typer.echo(SAID, err=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_error(error: SalhwError, as_json: bool) -> None:
    if as_json:
        print_json({"error": error.headline, "diagnostics": [item.as_dict() for item in error.diagnostics]})
    else:
        typer.echo(str(error), err=True)


def writable(path: Path, force: bool) -> Path:
    """``path``, if a file may be written there; asked before the work begins.

    Raises:
        FileError: it exists and ``force`` is not set, or its directory does not exist.
    """
    if path.is_dir():
        raise file_error(path, "a directory", "the name of a file")
    if path.exists() and not force:
        raise file_error(path, "", "it exists already", "another name, or --force to replace it")
    if not path.parent.is_dir():
        raise file_error(path, "", f"there is no directory {path.parent}", "create it first")
    return path
