"""The command line. Every command that reports takes ``--json``; exit status 0 good, 1 falls short, 2 wrong usage."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from salhw import __version__
from salhw.cli.compare import register as register_compare
from salhw.cli.conformance import register as register_conformance
from salhw.cli.demo import register as register_demo
from salhw.cli.export import register as register_export
from salhw.cli.fit import register as register_fit
from salhw.cli.interrupt import interrupted, watch
from salhw.cli.measure import CalibrationFile, OneChip, SomeChips, Wafer, chosen, loaded
from salhw.cli.measure import register as register_measure
from salhw.cli.network_settings import built, settings
from salhw.cli.outlook import tell
from salhw.cli.pictures import drawn, picture_place
from salhw.cli.places import Force, saved, writable
from salhw.cli.progress import progress_bar
from salhw.cli.report import (
    INTERRUPTED,
    columns_asked,
    print_json,
    print_table,
    print_wrapped,
    reported,
    width,
)
from salhw.cli.reproduce import register as register_reproduce
from salhw.cli.settings import Settings
from salhw.cli.setup import register as register_setup
from salhw.cli.streams import standard_streams
from salhw.cli.study import register as register_study
from salhw.cli.target_options import Fit, Options, chosen_target
from salhw.compiler.pipeline import compile
from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray
from salhw.description.network import Network
from salhw.diagnostics import DescriptionError, Diagnostic, SessionError, explanations, topics
from salhw.diagnostics import explain as explanation_of
from salhw.io.description import save as save_network
from salhw.io.files import is_file
from salhw.io.recording_file import save as save_recording
from salhw.machine import collect_rarely
from salhw.registry import Builder, builder, builders, summary, targets
from salhw.session.backend import Session
from salhw.session.executable import Report
from salhw.session.pilot import estimated
from salhw.session.recording import Recording
from salhw.substrate.target import Target

HELP_WIDTH = 70  # columns below which help in frames would be cut into pieces

app = typer.Typer(
    name="salhw",
    help="Describe a plastic spiking network once, run it on any target, measure how far the target is from it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if width() >= HELP_WIDTH else None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Net = Annotated[str, typer.Argument(metavar="NET", help="A network file, or a name that `salhw networks` lists.")]
TargetName = Annotated[str, typer.Option("--target", "-t", help="A name that `salhw targets` lists.")]
TARGET_COLUMNS = ("target", "backend", "neurons", "plasticity", "weights", "capacity", "description")
OPTION_COLUMNS = ("option", "type", "default", "meaning")


register_conformance(app)
register_reproduce(app)
register_setup(app)
register_study(app)


def main() -> None:
    """The entry point of the ``salhw`` script."""
    collect_rarely()
    if columns_asked() is None:
        os.environ.pop("COLUMNS", None)  # 0, say: help would be laid out for it
    try:
        with standard_streams():
            watch()  # later than that: its pipe would get the number of a stream that is closed
            app()
    except SystemExit:
        if interrupted():  # also where the command line was still being read
            sys.exit(INTERRUPTED)
        raise


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"salhw {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Describe a plastic spiking network once, run it on any target, measure how far the target is from it."""


def _network(net: str, given: list[str] | None = None) -> Network:
    """A network from a file, or from the builder of that name with its defaults but for what is ``given``.

    Raises:
        SalhwError: no such file or builder; settings for a file.
    """
    path = Path(net)
    if not (is_file(path) or path.suffix or path.parent != Path()):
        return built(net, given or ())
    if given:
        finding = Diagnostic("SAL009", "--set", given[0][:80], "for installed networks only", "change the file itself")
        raise DescriptionError(f"DescriptionError: {net[:80]} is a file", [finding])
    return Network.load(path)


register_compare(app, _network)
register_fit(app, _network)
register_export(app, _network)
register_measure(app, _network)
register_demo(app)


@app.command("targets")
def list_targets(json: Json = False) -> None:
    """List what networks can be compiled for."""
    with reported(json):
        known = targets()
        summaries = [target_summary(target) for target in known.values()]
        if json:
            print_json(summaries)
            return
        print_table("", TARGET_COLUMNS, [target_row(entry) for entry in summaries])
        options = [[name, *row] for name, target in known.items() for row in option_rows(target)]
        print_table("Options, for target.with_options", ("target", *OPTION_COLUMNS), options)


def target_summary(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "backend": target.backend,
        "description": target.description,
        "neurons": [*target.neurons],
        "kernels": [*target.kernels],
        "windows": [*target.windows],
        "plasticity": [*target.plasticity],
        "stimuli": [*target.stimuli],
        "probes": [*target.probes],
        "averages": [*target.averages],
        "short_term": [*target.short_term],
        "resources": target.resources,
        "weight_bits": target.weight_bits,
        "speed_up": target.speed_up,
        "options": {
            name: option.model_dump(mode="json", exclude={"value"}, exclude_defaults=True)
            for name, option in target.options.items()
        },
        "varies": [name for name, spread in target.variability.items() if spread.varies],
    }


def option_rows(target: Target) -> list[list[str]]:
    """The options of a target, as rows of the tables here and in the docs."""
    return [[name, o.supported, str(o) or "empty", o.meaning] for name, o in target.options.items()]


def target_row(entry: dict[str, Any]) -> list[str]:
    """One target, as a row of the table here and in the README."""
    bits, capacity = entry["weight_bits"], entry["resources"].get("neurons")
    return [
        entry["name"],
        entry["backend"],
        ", ".join(entry["neurons"]),
        ", ".join(entry["plasticity"]) or "none",
        f"{bits} bits" if bits else "exact",
        f"{capacity:,} neurons" if capacity else "unlimited",
        entry["description"],
    ]


@app.command()
def check(
    net: Net,
    target: TargetName = "reference",
    options: Options = None,
    fit: Fit = False,
    calibration: CalibrationFile = None,
    given: Settings = None,
    json: Json = False,
) -> None:
    """Say whether a target can hold a network: the compile report, or everything that stands against it."""
    with reported(json):
        wanted = chosen_target(target, options)
        report = compile(_network(net, given), wanted, calibration=loaded(calibration), fit=fit).report
        if json:
            print_json(report.as_dict())
        else:
            typer.echo(str(report))


@app.command()
def run(
    net: Net,
    duration: Annotated[float, typer.Option(help="Biological time in ms.")],
    target: TargetName = "reference",
    seed: Annotated[int, typer.Option(min=0, help="Of the trial-to-trial randomness.")] = 0,
    instances: Annotated[int | None, typer.Option(min=1, help="Independent copies to run as one batch.")] = None,
    chip: OneChip = None,
    chips: SomeChips = None,
    wafer: Wafer = 0,
    options: Options = None,
    fit: Fit = False,
    calibration: CalibrationFile = None,
    given: Settings = None,
    out: Annotated[Path | None, typer.Option(help="HDF5 file for the recording; its picture goes beside.")] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Save a picture beside the recording.")] = True,
    force: Force = False,
    json: Json = False,
) -> None:
    """Compile a network, run it, and tell rates and weights; the recording and its picture go to --out."""
    with reported(json):
        path = writable(out, force, ".h5", ".hdf5") if out else None
        picture = picture_place(path, force) if path and plot else None
        wanted = chosen_target(target, options)
        executable = compile(_network(net, given), wanted, calibration=loaded(calibration), fit=fit)
        picked = chosen(executable.target, chip, chips, wafer, executable.report.memory)
        opening: dict[str, Any] = {"instances": instances, "chips": picked, "seed": seed}
        what, names = f"{executable.source.name} on {target}", [p.name for p in executable.network.projections]
        with progress_bar(what) as progress:
            tell(what, estimated(executable, duration, **opening))
            with executable.open(**opening) as session:
                recording = _run_or_kept(session, duration, progress, path, new=not force)
                weights = {name: _synaptic(executable.network, name, session) for name in names}
        if path:
            saved(lambda place: save_recording(recording, place, new=not force), path)
        failure = drawn(recording, executable.source, picture, new=not force) if picture else ""
        picture = None if failure else picture
        result = _run_result(executable.network, executable.report, recording, weights)
        if json:
            files = {"out": str(path) if path else None, "picture": str(picture) if picture else None}
            print_json(result | files | ({"picture_failed": failure} if failure else {}))
        else:
            for change in executable.report.changes:
                print_wrapped(f"changed: {change}", width(), "  ")
            _print_run(result)
            if path:
                also = f", its picture in {picture}" if picture else ""
                typer.echo(f"The recording is in {path}{also}; salhw.Recording.load({str(path)!r}) reads it.")
                if failure:
                    typer.echo(f"No picture could be saved: {failure}", err=True)
            else:
                typer.echo("The recording was not saved: --out FILE.h5 does.")


def _run_or_kept(
    session: Session, duration: float, progress: Callable[[float], None] | None, path: Path | None, *, new: bool
) -> Recording:
    """What a run records; what it has recorded goes to ``path``, too, if it ends before its time."""
    try:
        return session.run(duration, progress=progress)
    except SessionError as error:
        kept = error.recording
        if kept is None or path is None:
            raise
        saved(lambda place: save_recording(kept, place, new=new), path)
        footer = f"What was recorded until then, {kept.duration:g} ms, is in {path}."
        raise SessionError(error.headline, error.diagnostics, footer) from None


def _synaptic(net: Network, name: str, session: Session) -> FloatArray:
    """The weights of a projection's synapses, (instance, synapse): without the empty diagonal of a recurrent one."""
    weights = session.get(f"projections.{name}.weights")
    return weights.reshape(len(weights), -1)[:, synapses(net.projection(name).weights, *net.ends(name))[2]]


def _run_result(net: Network, report: Report, recording: Recording, weights: dict[str, FloatArray]) -> dict[str, Any]:
    seconds = recording.duration / 1000.0
    return {
        "start_ms": recording.start,
        "duration_ms": recording.duration,
        "instances": len(recording.ids),
        "rates_hz": {name: _range(count / seconds) for name, count in recording.counts.items()},
        "spikes": {name: int(count.sum()) for name, count in recording.counts.items()},
        "weights": {p.name: _range(weights[p.name]) for p in net.projections},
        "probes": [probe.kind for probe in net.probes],
        "report": report.as_dict(),
        "provenance": dict(recording.provenance),
    }


def _range(values: FloatArray) -> dict[str, float] | None:
    """None of nothing, as of a projection without synapses."""
    if not values.size:
        return None
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}


def _print_run(result: dict[str, Any]) -> None:
    rows = [[f"rate of {name} (Hz)", *_three(entry, ".2f")] for name, entry in result["rates_hz"].items()]
    rows += [[f"weights of {name}, at the end", *_three(entry, ".4f")] for name, entry in result["weights"].items()]
    took = result["provenance"].get("wall_time_s")
    title = f"{result['duration_ms']:g} ms, {result['instances']} instance{'s' if result['instances'] > 1 else ''}"
    title += f", run in {took:.2f} s" if took is not None else ""
    print_table(title, ["quantity", "mean", "lowest", "highest"], rows, numbers=(1, 2, 3))


def _three(entry: dict[str, float] | None, form: str) -> list[str]:
    return ["none", "", ""] if entry is None else [format(entry[key], form) for key in ("mean", "min", "max")]


@app.command("networks")
def list_networks(
    name: Annotated[str | None, typer.Argument(help="One network, in detail.")] = None,
    given: Settings = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for its description.")] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """List the installed networks, or show one and what can be set in it, or write its description to a file."""
    with reported(json):
        if name is None:
            for option, value in (("--out", out), ("--set", given)):
                if value:
                    raise typer.BadParameter("needs the name of a network", param_hint=f"'{option}'")
            _print_networks(json)
            return
        build = builder(name)
        place = writable(out, force, ".json") if out else None
        net = built(name, given or ())
        if place:
            save_network(net, place, new=not force)
        if json:
            can = [vars(item) for item in settings(build)]
            print_json({"name": name, "description": summary(build), "settings": can, "out": str(out) if out else None})
        elif place:
            typer.echo(f"{name} is described in {place}.")
        else:
            _print_network(name, build, net)


def _print_networks(json: bool) -> None:
    known = [{"name": name, "description": summary(build)} for name, build in builders().items()]
    if json:
        print_json(known)
    else:
        print_table("", ["network", "description"], [[*entry.values()] for entry in known])


def _print_network(name: str, build: Builder, net: Network) -> None:
    print_wrapped(f"{name}: {summary(build)}", width())
    typer.echo()
    for population in net.populations:
        print_wrapped(f"population {population.name}: {population.size} {population.neuron.kind}", width())
    for p in net.projections:
        rules = ", ".join(rule.kind for rule in p.plasticity) or "none"
        print_wrapped(f"projection {p.name}: {p.pre} -> {p.post}, {p.kernel.kind} PSP, plasticity: {rules}", width())
    typer.echo()
    rows = [[item.name, item.default, item.meaning] for item in settings(build)]
    print_table("", ["setting", "default", "meaning"], rows)
    if rows:
        example = next((item for item in settings(build) if item.default not in ("", "null")), settings(build)[0])
        change = shlex.quote(f"{example.name}={example.default}")
        print_wrapped("Change one with --set, as in:", width())
        typer.echo(f"  salhw check {name} --set {change}")


@app.command()
def explain(
    code: Annotated[str | None, typer.Argument(help="A code such as SAL104; all of them if left out.")] = None,
    json: Json = False,
) -> None:
    """Say what a diagnostic's code means and what to do; without a code, list them all by topic."""
    with reported(json):
        if code is None:
            _print_codes(json)
            return
        explanation = explanation_of(code)
        if json:
            print_json({"code": explanation.code, "title": explanation.title, "text": explanation.text})
            return
        print_wrapped(f"{explanation.code}  {explanation.title}", width())
        for part in explanation.text.strip().split("\n\n"):
            typer.echo()
            print_wrapped(part, min(width(), 100))


def _print_codes(json: bool) -> None:
    known = list(explanations().values())
    if json:
        print_json([{"code": e.code, "title": e.title, "topic": topics()[e.code]} for e in known])
        return
    ordered = sorted(known, key=lambda entry: entry.code)
    headings = [topics()[entry.code] for entry in ordered]
    new = [topic if topic != before else "" for before, topic in pairwise(["", *headings])]
    rows = [[topic, entry.code, entry.title] for topic, entry in zip(new, ordered, strict=True)]
    print_table("", ["topic", "code", "title"], rows)
