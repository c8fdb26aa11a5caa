"""``salhw study``: a fixed-pattern-noise study, resumed by the same command; previews, reports and replays of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from salhw.cli.progress import Bar, progress_bar
from salhw.cli.report import SHORT_FALL, print_json, print_table, print_wrapped, reported, width
from salhw.diagnostics.wording import number
from salhw.machine import amount

if TYPE_CHECKING:
    from salhw.study import Answer, Cell, Effect, Results, SobolIndex, Spent, State

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A study, in TOML or JSON; docs/studies.md shows one.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study: its --out.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that work at it; 1 works in this one.")]
RUN = "run"


class _RunsByDefault(TyperGroup):
    """``salhw study FILE`` is ``salhw study run FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [RUN, *args]
        return list(super().parse_args(ctx, args))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    study = typer.Typer(cls=_RunsByDefault, no_args_is_help=True)
    study.command(RUN)(run)
    for command in (preview, report, replay, metrics, protocols, spreads):
        study.command()(command)
    app.add_typer(study, name="study", help="A fixed-pattern-noise study: `salhw study FILE --out DIR`, and about it.")


def run(
    file: File,
    out: Annotated[Path, typer.Option(help="Folder for its results; the same command resumes.")],
    workers: Workers = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask cluster that works at it, as tcp://node1:8786.")
    ] = None,
    json: Json = False,
) -> None:
    """Run a study, or what is missing of it, and tell what it answers so far."""
    from salhw.study import Study
    from salhw.study import run as run_study

    with reported(json):
        study = Study.load(file)
        _importable(file)
        with progress_bar(study.name) as progress:
            results = run_study(
                study, out, workers=workers, scheduler=scheduler, origin=file.parent, progress=_told(progress)
            )
        _answer(results, json)


def _importable(file: Path) -> None:
    """Metrics of a user's lie beside the study file."""
    folder = str(file.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)


def _told(progress: Bar | None) -> Callable[[State], None]:
    """The share done, for the bar, with the rate and what has failed."""

    def tell(state: State) -> None:
        if progress:
            failed = f", {state.failed} failed" if state.failed else ""
            progress(state.done / state.runs)
            progress.note(f"{state.done:,} of {state.runs:,} runs, {state.rate:.3g}/s{failed}")

    return tell


def preview(file: File, workers: Workers = 1, json: Json = False) -> None:
    """Say what a study will take (runs, time, disk) from one batch of each target and method; writes nothing."""
    from salhw.study import Study
    from salhw.study import preview as pilot

    with reported(json):
        study = Study.load(file)
        _importable(file)
        with progress_bar(f"pilot of {study.name}") as progress:
            told = pilot(study, progress)
        seconds = told.seconds / min(workers, max(1, told.batches))
        if json:
            print_json(vars(told) | {"seconds_with_workers": seconds, "workers": workers})
        else:
            rows = [
                ["runs", f"{told.runs:,} in {told.batches:,} batches"],
                ["time", f"{_duration(seconds)} with {workers} worker{'s' if workers > 1 else ''}"],
                ["disk", amount(told.disk)],
                ["batch", f"{study.batch}; {told.batch} would take about 5 s each"],
                ["failed in the pilot", str(told.failed)],
            ]
            print_table(study.name, ["", ""], rows)
            if told.diagnostic:
                print_wrapped(f"first failure: {told.diagnostic}", width(), "  ")
        if told.failed:
            raise typer.Exit(SHORT_FALL)


def _duration(seconds: float) -> str:
    return f"{number(round(seconds, 1))} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page; by default DIR, which then gets the table, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what a study answers, also while it runs, and write its page, pictures, table.parquet and tables.tex."""
    from salhw.study import Results
    from salhw.study.page import save_page

    with reported(json):
        results = Results.load(folder)
        if out is None:
            results.save_table()
        save_page(results, out)
        if not json:
            print_wrapped(f"The page is {(out or folder) / 'index.html'}.", width())
        _answer(results, json)


def replay(
    folder: Folder,
    run: Annotated[int, typer.Argument(metavar="RUN", help="Its number, the column `run` of the table.")],
    out: Annotated[
        Path | None,
        typer.Option(help="HDF5 file for its recording, folder for an experiment; by default DIR/run-RUN."),
    ] = None,
    json: Json = False,
) -> None:
    """Repeat one run with spikes and weights, or an experiment with its figure, and hold it against its row."""
    from salhw.study import replay as repeated

    with reported(json):
        again = repeated(folder, run, out or folder / f"run-{run}")
        files = [str(path) for path in again.files]
        if json:
            print_json({
                "run": run, "chip": again.chip, "instance": again.position, "same": again.same, "out": files[0],
                "files": files, "row": _plain(again.said), "again": _plain(again.again),
            })  # fmt: skip
        else:
            rows = [[name, f"{again.said[name]:.6g}", f"{again.again[name]:.6g}"] for name in again.said]
            cell = f"{again.batch.method} on {again.batch.target}"
            print_table(f"run {run}: chip {again.chip}, {cell}", ["metric", "its row", "again"], rows, numbers=(1, 2))
            where = f"Instance {again.position} of the recording in" if again.recording else "The experiment's files:"
            print_wrapped(f"{where} {', '.join(files)}{' is this run.' if again.recording else ''}", width())
        if not again.same:
            raise typer.Exit(SHORT_FALL)


def metrics(json: Json = False) -> None:
    """List the metrics that are installed: those of a network's run, and those of an experiment."""
    from salhw.study import known_metrics
    from salhw.study.experiments import CORE

    with reported(json):
        rows = [("network", *row) for row in _described(known_metrics())]
        rows += [("experiment", *row) for row in _described(CORE)]
        _list(rows, ("study of", "name", "description"), json)


def protocols(json: Json = False) -> None:
    """List the protocols that are installed: what a method may do with a session instead of one run."""
    from salhw.study import known_protocols

    with reported(json):
        _list(_described(known_protocols()), ("name", "description"), json)


def _described(functions: Mapping[str, Callable[..., Any]]) -> list[tuple[str, ...]]:
    """Functions with the first paragraphs of their docstrings."""
    from inspect import getdoc

    texts = {name: (getdoc(function) or "").partition("\n\n")[0] for name, function in functions.items()}
    return [(name, " ".join(text.split())) for name, text in texts.items()]


def _list(rows: Sequence[tuple[str, ...]], columns: tuple[str, ...], json: bool) -> None:
    if json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("", columns, rows)


def spreads(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or parquet; docs/studies.md says which columns.")],
    target: Annotated[str, typer.Option(help="Whose chips were measured.")],
    json: Json = False,
) -> None:
    """Tell the spreads of values that were measured on real chips, as lines for a study or a target's TOML."""
    from json import dumps

    from salhw import MeasuredChips
    from salhw.registry import resolve

    with reported(json):
        known = resolve(target)
        found = MeasuredChips.load(table, known).spreads
        if json:
            print_json({name: {"sd": v.sd, "chip": v.chip, "source": v.source} for name, v in found.items()})
            return
        for name, v in found.items():
            typer.echo(f"[variability.{name}]  # declared: sd = {known.variability[name].sd:.4g}")
            typer.echo(f"sd = {v.sd:.6g}\nchip = {v.chip:.6g}\nsource = {dumps(v.source)}\n")  # JSON's text is TOML's


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _answer(results: Results, json: bool) -> None:
    document = as_document(results)
    if json:
        print_json(document)
    else:
        _print(results)
    if results.failed:
        raise typer.Exit(SHORT_FALL)


def as_document(results: Results) -> dict[str, Any]:
    """What a study answers, as JSON data."""
    from salhw.study import effects, sobol_indices
    from salhw.study.tables import calibrates_or_ages

    study = results.study
    names = [m.name for m in study.metrics]
    document: dict[str, Any] = {
        "study": study.name,
        "runs": results.planned,
        "finished": len(results),
        "failed": results.failed,
        "failures": [{"diagnostic": text, "runs": runs} for text, runs in results.failures.items()],
        "table": str(results.folder / "table.parquet"),
        "means": {name: [_entry(results, a) for a in results.means(name)] for name in names},
    }
    if calibrates_or_ages(study):
        document["budget"] = {
            name: [_spent(spent) | _entry(results, spent.answer) for spent in results.budget(name)] for name in names
        }
    if study.sobol and len(results) == results.planned and not results.failed:
        document["sobol"] = {name: [_effect(e) for e in sobol_indices(results, name)] for name in names}
    if study.noises and not study.sobol:
        document["effects"] = {name: [_effect(e) for e in effects(results, name)] for name in names}
    if len(study.methods) > 1:
        document["differences"] = {name: [_entry(results, a) for a in results.differences(name)] for name in names}
    if study.specification:
        document["yields"] = [_entry(results, a) for a in results.yields()]
        document["yield_curves"] = [_curve(results, cell) for cell in results.cells if len(results.rows(cell))]
        document["worst"] = [
            {"run": w.run, "chip": w.chip, "seed": w.seed, "value": _finite(w.value), "diagnostic": w.diagnostic}
            for w in results.worst()
        ]
    return document


def _spent(spent: Spent) -> dict[str, float | None]:
    figures = {"calibration_s": spent.biological_s, "chip_s": spent.chip_s, "age": spent.age}
    return {name: _finite(value) for name, value in figures.items()}


def _effect(effect: Effect | SobolIndex) -> dict[str, Any]:
    """A noise, with each of its numbers."""
    numbers = {name: value for name, value in vars(effect).items() if not isinstance(value, str)}
    return vars(effect) | {name: [_finite(end) for end in interval] for name, interval in numbers.items()}


def _curve(results: Results, cell: Cell) -> dict[str, Any]:
    limits, yields = results.yield_curve(cell)
    return _where(results, cell) | {"limits": limits.tolist(), "yields": [[*map(_finite, each)] for each in yields]}


def _where(results: Results, cell: Cell) -> dict[str, Any]:
    noises = [noise.name for noise in results.study.noises]
    return {"target": cell.target, "method": cell.method, "noises": dict(zip(noises, cell.level, strict=True))}


def _entry(results: Results, answer: Answer) -> dict[str, Any]:
    where, interval = _where(results, answer.cell), answer.interval
    ends = {"value": _finite(interval.value), "low": _finite(interval.low), "high": _finite(interval.high)}
    return {**where, "chips": answer.chips, **ends}


def _print(results: Results) -> None:
    from salhw.study.tables import tables

    print_wrapped(
        f"{results.study.name}: {len(results):,} of {results.planned:,} runs, {results.failed:,} failed", width()
    )
    if not len(results):
        return
    for table in tables(results):
        print_table(table.title, table.columns, table.rows, numbers=table.numbers)
    print_wrapped(f"The table is {results.folder / 'table.parquet'}.", width())
