"""What packages bring, found by entry point: backends with their targets, networks, and whatever else has a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import entry_points
from inspect import getdoc
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar, get_args, get_type_hints, runtime_checkable

from salhw.description.network import Network
from salhw.diagnostics import BackendError, DescriptionError, Diagnostic
from salhw.diagnostics.wording import nearest, one_of, shown
from salhw.session.backend import Backend
from salhw.session.calibration import Calibration
from salhw.substrate.chip import Chip
from salhw.substrate.target import Target

BACKENDS, NETWORKS, EXPERIMENTS = "salhw.backends", "salhw.networks", "salhw.experiments"
MEASURING, DEMONSTRATIONS = "salhw.measuring", "salhw.demonstrations"
ENVIRONMENTS = "salhw.environments"  # looked up by salhw.worker.environments, which knows what an environment is

SCALES = ("smoke", "default", "paper")  # of an experiment that lists none
CHOICES = {"scale": "scales", "variant": "variants", "data": "data sets"}
"""What an experiment may be asked for, by argument."""

T = TypeVar("T")
Builder = Callable[..., Network]
Progress = Callable[[float], None]


class Experiment(Protocol):
    """A function that repeats a figure of the paper. The first line of its docstring says what it shows.

    It works through ``salhw.compile`` and ``Session`` alone, keeps finished pieces in ``out`` so that a killed run goes
    on where it was, leaves the figure and its data there, and returns JSON data: ``title``; ``rows``, each with
    ``what``, ``paper``, ``measured`` and ``agrees`` (None: not judged at this scale); ``agrees``, False if any row is;
    ``files``; ``wall_time_s``. If it has variants it takes one more argument, ``variant``, whose annotation names them:
    ``variant: Literal["paper", "code"] = "paper"``. ``data`` may name data sets likewise, and the annotation of
    ``scale`` the scales, where they are not smoke, default and paper.
    """

    def __call__(
        self, out: Path, *, scale: str, target: Target | str, progress: Progress | None, **variant: Any
    ) -> Mapping[str, Any]: ...


@runtime_checkable
class Demonstration(Protocol):
    """Shows what salhw is for, in a minute; a module, say.

    ``run`` leaves ``FILES`` in a folder and returns JSON data: ``rows``, each with ``what``, ``start``, ``end``,
    ``target``, ``within`` and ``good``; ``converged``, whether all are good; ``files``; ``wall_time_s``; and, if it
    compares ``targets``, ``comparison``, whose ``file`` is the comparison.json among its files.
    """

    FILES: Sequence[str]

    def run(
        self, out: Path, progress: Progress | None = None, targets: str | Sequence[str] = "all"
    ) -> Mapping[str, Any]:
        """Run it; ``progress`` is called with the share done, 0 to 1."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """Measures and calibrates chips; a module, say. Everything is measured through ``Session`` alone.

    A measurement, by name in ``measurements``, takes an executable and ``chips``, ``duration`` in ms, ``seed``,
    ``method``, a folder ``out`` and ``progress``; ``calibrate`` target, chips, network, and the same without a method.
    Both leave files in ``out`` and return ``title``, ``columns`` and ``rows`` (text) of a table, the ``files``, and
    ``data``, everything as JSON. ``load`` reads a file that ``calibrate`` has left.
    """

    measurements: Mapping[str, Callable[..., Mapping[str, Any]]]

    def calibrate(
        self, target: Target, chips: Sequence[Chip], net: Network | None, **options: Any
    ) -> Mapping[str, Any]:
        """Measure and correct the places that ``net`` takes; None: the first neurons and the synapses between them."""
        ...

    def load(self, path: Path) -> Calibration:
        """Read a calibration."""
        ...


def installed(
    group: str, what: str, fits: Callable[[object], TypeGuard[T]], supported: str
) -> Iterator[tuple[str, str, T]]:
    """(name, where it is, plug-in) of every entry point of a group, in the order of the names.

    Args:
        what: what such a plug-in is called in errors; ``supported``: what it has to be.
        fits: whether an object is one.

    Raises:
        BackendError: one that cannot be loaded, or does not fit.
    """
    for entry in sorted(entry_points(group=group), key=lambda e: e.name):
        try:
            plugin = entry.load()
        except Exception as error:
            asked = f"{type(error).__name__}: {error}"
            raise broken(what, entry.name, entry.value, asked, "a module that imports") from error
        if not fits(plugin):
            raise broken(what, entry.name, entry.value, type(plugin).__name__, supported)
        yield entry.name, entry.value, plugin


def broken(what: str, name: str, path: str, asked: str, supported: str) -> BackendError:
    """The error for a plug-in that cannot be used."""
    finding = Diagnostic("SAL602", path, asked, supported, "mend or uninstall the package that brings it")
    return BackendError(f"BackendError: {what} {name!r} is broken", [finding])


def _unknown(what: str, name: object, known: Sequence[str], fix: str) -> BackendError:
    asked = shown(name)
    finding = Diagnostic("SAL601", what, asked, one_of(sorted(known)), nearest(name, known, fix))
    return BackendError(f"BackendError: no {what} {asked}", [finding])


def _is_backend(plugin: object) -> TypeGuard[Backend]:
    return isinstance(plugin, Backend)


@cache
def backends() -> Mapping[str, Backend]:
    """Every installed backend by name.

    Raises:
        BackendError: a plug-in that cannot be loaded or does not satisfy the protocol.
    """
    known: dict[str, Backend] = {}
    supported = "an object with name, targets(), lower() and open()"
    for name, where, plugin in installed(BACKENDS, "backend", _is_backend, supported):
        if plugin.name in known:
            raise broken("backend", name, where, f"a second backend called {plugin.name!r}", "names that differ")
        known[plugin.name] = plugin
    return known


def backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        BackendError: not installed.
    """
    known = backends()
    if not isinstance(name, str) or name not in known:
        raise _unknown("backend", name, list(known), "install the package that brings it")
    return known[name]


@cache
def targets() -> Mapping[str, Target]:
    """Every target of every installed backend, by name.

    Raises:
        BackendError: a backend that cannot be loaded, cannot list its targets, or repeats another's.
    """
    known: dict[str, Target] = {}
    for plugin in backends().values():
        path = f"{plugin.name}.targets"
        try:
            own = plugin.targets()
        except Exception as error:
            raise broken(
                "backend", plugin.name, path, f"{type(error).__name__}: {error}", "its targets by name"
            ) from error
        for name, target in own.items():
            if name in known:
                asked = f"a second target called {name!r}, which is {known[name].backend!r}'s"
                raise broken("backend", plugin.name, path, asked, "names that differ")
            known[name] = target
    return known


def resolve(target: Target | str) -> Target:
    """A target from itself or its name.

    Raises:
        BackendError: no such target.
    """
    if isinstance(target, Target):
        return target
    known = targets()
    if not isinstance(target, str) or target not in known:
        raise _unknown("target", target, list(known), "see `salhw targets`")
    return known[target]


def _is_builder(plugin: object) -> TypeGuard[Builder]:
    return callable(plugin)


@cache
def builders() -> Mapping[str, Builder]:
    """Every installed builder by name, in the order of the names. Called without arguments each returns its default.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    supported = "a function that returns a Network"
    return {name: build for name, _, build in installed(NETWORKS, "network builder", _is_builder, supported)}


def builder(name: str) -> Builder:
    """The builder of that name.

    Raises:
        DescriptionError: not installed.
    """
    known = builders()
    if name not in known:
        supported = f"a file that exists, or one of {', '.join(known) or 'none'}"
        finding = Diagnostic("SAL009", "network", repr(name), supported, "see `salhw networks`")
        raise DescriptionError(f"DescriptionError: no network {name!r}", [finding])
    return known[name]


def summary(plugin: Callable[..., Any]) -> str:
    """The first line of the docstring of a builder or an experiment."""
    return (getdoc(plugin) or "").partition("\n")[0]


def _is_experiment(plugin: object) -> TypeGuard[Experiment]:
    return callable(plugin)


def experiments() -> Mapping[str, Experiment]:
    """Every installed experiment by name, fig2 before fig10.

    Raises:
        BackendError: a plug-in that cannot be loaded or is not a function.
    """
    supported = "a function, as salhw.registry.Experiment says"
    every = {name: run for name, _, run in installed(EXPERIMENTS, "experiment", _is_experiment, supported)}
    return dict(sorted(every.items(), key=lambda item: (len(item[0]), item[0])))


def experiment(name: str, path: str = "experiment") -> Experiment:
    """The experiment of that name.

    Raises:
        DescriptionError: SAL901 not installed.
    """
    known = experiments()
    if name not in known:
        supported = f"one of {', '.join(known) or 'none: no package brings any'}"
        finding = Diagnostic("SAL901", path, repr(name), supported, nearest(name, known))
        raise DescriptionError(f"DescriptionError: no experiment {name!r}", [finding])
    return known[name]


def choices(run: Experiment, argument: str) -> tuple[str, ...]:
    """The names that an experiment takes for one of its arguments CHOICES, as its annotation lists them; none if it is
    open, or there is none."""
    hint = get_type_hints(run.func if isinstance(run, partial) else run).get(argument)
    names = tuple(name for part in (hint, *get_args(hint)) for name in get_args(part) if isinstance(name, str))
    return names or (SCALES if argument == "scale" else ())


def refuse_choice(fig: str, run: Experiment, argument: str, name: object, path: str = "") -> None:
    """Refuse an argument that the experiment ``run``, called ``fig``, does not take.

    Raises:
        DescriptionError: SAL902 it takes others.
    """
    known = choices(run, argument)
    if name not in known:
        supported = f"one of {', '.join(known)}" if known else f"none: {fig} has no {CHOICES[argument]}"
        fix = nearest(shown(name), known, "leave it out")
        finding = Diagnostic("SAL902", path or argument, repr(name), supported, fix)
        raise DescriptionError(f"DescriptionError: {fig} has no {argument} {name!r}", [finding])


def _is_demonstration(plugin: object) -> TypeGuard[Demonstration]:
    return isinstance(plugin, Demonstration)


def demonstration() -> Demonstration:
    """The first installed demonstration.

    Raises:
        BackendError: there is none, or it is broken.
    """
    supported = "an object with FILES and run()"
    for _, _, plugin in installed(DEMONSTRATIONS, "demonstration", _is_demonstration, supported):
        return plugin
    finding = Diagnostic("SAL601", "demonstration", "", "no installed package brings one", "install salhw as a whole")
    raise BackendError("BackendError: nothing to demonstrate", [finding])


def _is_measuring(plugin: object) -> TypeGuard[Measuring]:
    return isinstance(plugin, Measuring)


def measuring() -> Measuring:
    """The first installed package that measures.

    Raises:
        BackendError: there is none, or it is broken.
    """
    supported = "an object with measurements, calibrate() and load()"
    for _, _, plugin in installed(MEASURING, "measuring package", _is_measuring, supported):
        return plugin
    finding = Diagnostic("SAL821", "calibration", "", "no installed package measures chips", "install salhw as a whole")
    raise BackendError("BackendError: nothing measures", [finding])
