"""How the commands answer: tables on stdout, or one JSON document; errors as diagnostics with an exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from salhw.cli.streams import STDOUT, WRONG_USAGE
from salhw.diagnostics import Diagnostic, FileError, SalhwError, SessionError
from salhw.machine import amount, available

SHORT_FALL, INTERRUPTED = 1, 130
FALLS_SHORT = ("SAL1", "SAL2", "SAL3", "SAL402", "SAL403", "SAL405", "SAL41", "SAL60", "SAL701", "SAL703", "SAL803",
               "SAL804", "SAL81")  # fmt: skip
"""The rule of the exit status. Codes that begin like this say what the network, the target, the backend or the
calibration cannot do: 1. All others are about what the user wrote (a name, a number, a file that is not there, damaged
or without meaning) or where it was to be written: 2."""
UNKNOWN_NAME = "SAL601"  # the one of SAL60x that is the user's
PIPE_WIDTH = 118  # columns where there is no terminal that could tell
NARROWEST = 20
WORD = 240  # letters of one word of an error: longer paths and names lose their middle


def columns_asked() -> int | None:
    """The columns that the environment names, if that is a width at all."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and len(asked) < 5 and int(asked) else None


def width() -> int:
    """Columns to print in."""
    if asked := columns_asked():
        return max(asked, NARROWEST)
    seen = sys.stdout is not None and sys.stdout.isatty()  # None: closed
    return shutil.get_terminal_size().columns if seen else PIPE_WIDTH


def console() -> Console:
    """A console on stdout; made anew each time, because stdout may have been replaced."""
    return Console(width=width(), highlight=False)


def print_json(document: Any) -> None:
    """The one JSON document of a command."""
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


Cell = str | Text


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    numbers: Sequence[int] = (),
    sections: Mapping[int, str] | None = None,
) -> None:
    """A table; ``numbers`` are the columns aligned to the right, ``sections`` headings before rows. Where its words do
    not fit side by side, the rows come one after the other, a line for each cell."""
    out, cells = console(), [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    words = [max(map(_longest, column)) for column in zip(map(Text, columns), *cells, strict=True)]
    if sum(words) + 3 * len(words) + 1 > out.width:
        _print_records(out, title, columns, cells, sections or {})
        return
    table = Table(title=escape(title) or None, title_justify="left", title_style="bold")
    for k, column in enumerate(columns):
        whole = max(cell_len(row[k].plain) for row in cells) <= words[k] if cells else False
        justify: Literal["right", "left"] = "right" if k in numbers else "left"
        table.add_column(escape(column), justify=justify, min_width=words[k], no_wrap=whole)
    for k, row in enumerate(cells):
        if sections and k in sections:
            table.add_section()
            table.add_row(Text(sections[k], style="italic"))
        table.add_row(*row)
    out.print(table)


def _longest(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


def _print_records(
    out: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Text]], sections: Mapping[int, str]
) -> None:
    lines = [title] if title else []
    for k, row in enumerate(rows):
        lines += ["", sections[k]] if k in sections else []
        cells = [(name, cell.plain) for name, cell in zip(columns, row, strict=True) if cell.plain.strip()]
        texts = [f"{name}: {text}" if name else text for name, text in cells]
        lines += ["", *texts[:1], *(f"  {text}" for text in texts[1:])]
    for line in lines if title or sections else lines[1:]:
        indent = " " * (len(line) - len(line.lstrip()))
        print_wrapped(line, out.width, f"{indent}  ")


def print_wrapped(text: str, columns: int, indent: str = "") -> None:
    """Lines of at most so many columns, no word cut; all but the first are indented."""
    options = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": indent}
    typer.echo(textwrap.fill(text, columns, **options))  # type: ignore[arg-type]  # mypy takes one type for all


def status_of(error: SalhwError) -> int:
    """The exit status after an error: 1 where the network or the backend falls short, 2 where the command was used
    wrongly; of several findings, one that is wrong usage decides."""
    codes = [item.code for item in error.diagnostics]
    usage = [code for code in codes if code == UNKNOWN_NAME or not code.startswith(FALLS_SHORT)]
    return WRONG_USAGE if usage or not codes else SHORT_FALL


def say_interrupted() -> None:
    """The one line of a command that Ctrl-C ended, once: two threads may come to it."""
    if _interrupted.acquire(blocking=False):
        with suppress(OSError):
            os.write(2, b"Interrupted; nothing more is written.\n")


_interrupted = threading.Lock()


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Turn every expected error into its diagnostic and an exit status, and Ctrl-C into one line.

    Raises:
        typer.Exit: after an error.
        OSError: stdout cannot be written to.
    """
    try:
        yield
    except SalhwError as error:
        _print_error(error, as_json)
        raise typer.Exit(status_of(error)) from None
    except OSError as error:
        if error.filename == STDOUT:
            raise
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
        say_interrupted()
        raise typer.Exit(INTERRUPTED) from None


def _print_error(error: SalhwError, as_json: bool) -> None:
    if as_json:
        print_json({"error": error.headline, "diagnostics": [item.as_dict() for item in error.diagnostics]})
    else:
        text = re.sub(rf"\S{{{WORD},}}", lambda word: f"{word[0][: WORD // 2]}...{word[0][-WORD // 4 :]}", str(error))
        typer.echo(text, err=True)
