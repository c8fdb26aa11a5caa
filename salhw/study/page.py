"""A study as one static page, as those of conformance and comparisons: pictures, tables, and what it was made with."""

from __future__ import annotations

from html import escape
from pathlib import Path

from salhw.comparison.html import DPI, picture, plain
from salhw.conformance.html import page
from salhw.io.files import folder as made_folder
from salhw.io.files import picture_of, write_bytes, write_text
from salhw.study.answers import Results
from salhw.study.pictures import figures
from salhw.study.shards import TABLE
from salhw.study.tables import tables

PAGE, LATEX = "index.html", "tables.tex"


def save_page(results: Results, out: Path | None = None) -> list[Path]:
    """Write the page, its pictures and the tables for a paper into a folder, by default the study's.

    Raises:
        FileError: they cannot be written.
    """
    told, place = tables(results), made_folder(out) if out else results.folder
    images = {name: (title, picture_of(figure, "png", dpi=DPI)) for name, title, figure in figures(results)}
    files = [write_bytes(place / f"{name}.png", image) for name, (_, image) in images.items()]
    parts = {
        "title": escape(results.study.name),
        "summary": _summary(results),
        "pictures": "".join(picture(title, image) for title, image in images.values()),
        "tables": "".join(f"<h2>{escape(t.title)}</h2>{plain(t.columns, t.rows)}" for t in told),
    }
    files.append(write_text(place / PAGE, page("salhw.study", parts)))
    files.append(write_text(place / LATEX, "\n".join(table.latex() for table in told)))
    return files


def _summary(results: Results) -> str:
    study = results.study
    of = f"each {study.experiment}" if study.experiment else f"{study.duration:g} ms each"
    made = ", ".join(f"{name} {text[:16]}" for name, text in results.plan.made_with.items())
    lines = [
        f"{len(results):,} of {results.planned:,} runs, {results.failed:,} failed; {of}",
        f"{study.chips:,} chips of wafer {study.wafer}; {', '.join(study.targets)}",
        f"table {results.digest[:16]} in {TABLE}; {made}",
    ]
    lines += [study.notes] if study.notes else []
    return "".join(f"<li>{escape(line)}</li>" for line in lines)
