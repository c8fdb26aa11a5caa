"""What a study is: a network, targets, chips, levels of noise, methods, metrics, and what counts as good.

The same object is written in Python, or read from a TOML or JSON file, whose schema is docs/study.schema.json.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from salhw.description.fields import Milliseconds, Model, NonNegative, NotText, Number
from salhw.description.plasticity import ReferencePhase
from salhw.diagnostics import file_error
from salhw.diagnostics.arguments import MAX_ID, as_path
from salhw.diagnostics.documents import from_json, from_toml
from salhw.diagnostics.wording import invalid, nearest, one_of
from salhw.substrate.target import Target

MOST_CHIPS = 10_000_000
Whole = Annotated[int, NotText]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Level = tuple[float, ...]
"""A number for each of a study's noises, in their order."""
NO_EXPERIMENTS = ("duration", "settle", "seeds")
METHODS_ALONE = (
    "plastic", "learning_rate", "reference", "fit", "calibration", "age", "temperature", "protocol", "options"
)  # fmt: skip
"""Fields of a study, and of its methods, that mean something of a network only."""
ABOUT = ("status", "diagnostic", "calibration_s", "session_first", "session_size")
"""What a row of the table says of its run: how it ended, how many seconds of biological time its chip was calibrated
for (NaN of a run that failed), and the chips of its session."""


class Noise(Model):
    """One noise of a study, and the levels at which it is tried.

    Args:
        name: its column in the table.
        quantities: of the target's variability, or whole groups of it (``mismatch``, ``trial``, ``plasticity``), which
            go together; by default the quantity of this name. Of several targets each takes those that it has.
        levels: what is tried; of a study with ``sobol`` the lower and upper end of what is sampled.
        unit: ``times`` the declared spread, or the spread itself (``sd``).
        part: what the levels are of: the spread from place to place (``sd``), that which a whole chip shares
            (``chip``), the share of places that are broken (``stuck``), or what a day or a kelvin adds (``drift``,
            ``thermal``), for methods with an ``age`` or ``temperature``; see ``salhw.Variability``.
    """

    name: Name
    quantities: tuple[str, ...] = ()
    levels: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    unit: Literal["times", "sd"] = "times"
    part: Literal["sd", "chip", "stuck", "drift", "thermal"] = "sd"

    def of(self, target: Target) -> tuple[str, ...]:
        """The quantities of ``target`` that this noise changes."""
        wanted = self.quantities or (self.name,)
        return tuple(name for name, v in target.variability.items() if name in wanted or v.group in wanted)


class Calibrating(Model):
    """How chips are calibrated before they run.

    Args:
        duration: biological time in ms of each part of the measurement.
        sensors: whether the plasticity circuits are calibrated as well, where the network learns.
    """

    duration: Milliseconds
    sensors: bool = True


class Method(Model):
    """What is done with the network before, or while, it runs on a chip.

    Args:
        name: its name in the table.
        settings: of the installed network's builder, over those of the study.
        plastic: without it all plasticity rules are left out.
        learning_rate: times the described one.
        reference: a reference phase for all rules of pairs.
        fit: whether the network is changed as little as the target needs.
        calibration: measured on each batch of chips, at age and temperature 0; None for none. Methods, seeds and ages
            that ask for the same share one measurement.
        age, temperature: of the chips when they run: days since, and kelvin above, what their patterns, and what
            calibrated them, are of. Quantities move that have a ``drift`` or ``thermal`` spread.
        times: factors on the spreads that a level says, by quantity or group: ``{"plasticity": 0}`` for equal sensors.
        ideal: run on the ideal target: the baseline.
        protocol: an installed protocol (``salhw study protocols`` lists them), or a function of yours,
            ``module:function``, that is called with the open session and the study's ``duration`` (and ``options``)
            instead of ``session.run``, and returns the recording: an experiment that writes, runs and reads as it
            likes, on the chips that the study gives it.
    """

    name: Name
    settings: dict[str, Any] = Field(default_factory=dict)
    plastic: bool = True
    learning_rate: NonNegative = 1.0
    reference: ReferencePhase | None = None
    fit: bool = False
    calibration: Calibrating | None = None
    age: NonNegative = 0.0
    temperature: Number = 0.0
    times: dict[str, NonNegative] = Field(default_factory=dict)
    ideal: bool = False
    protocol: str = ""
    options: dict[str, Any] = Field(default_factory=dict)


class Metric(Model):
    """A number that is measured of each run.

    Args:
        name: its column in the table.
        of: an installed metric (``salhw study metrics`` lists them), or a function of yours, ``module:function``.
        options: its arguments, by name.
    """

    name: Name
    of: str = ""
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def function(self) -> str:
        """What measures it: ``of``, or else the installed metric of this name."""
        return self.of or self.name


class Specification(Model):
    """What counts as a good chip: a metric that is at most, or at least, so much."""

    metric: str
    at_most: Number | None = None
    at_least: Number | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Specification:
        if (self.at_most is None) == (self.at_least is None):
            raise invalid("SAL005", "", "one of at_most and at_least", "give one of them", at="at_most")
        return self


class Stop(Model):
    """When enough chips have been seen: every mean of ``metric`` is known to ``half_width`` at ``level``.

    It is asked after every round of batches, by a confidence sequence, which holds however often one looks.
    """

    metric: str
    half_width: Annotated[float, Field(gt=0), NotText]
    level: Annotated[float, Field(gt=0, lt=1), NotText] = 0.95


class Sobol(Model):
    """Levels sampled for Sobol' indices: ``points`` (a power of two) times (2 + number of noises) of them."""

    points: Annotated[Whole, Field(ge=2, le=2**16)]
    seed: Annotated[Whole, Field(ge=0, le=MAX_ID)] = 0

    @model_validator(mode="after")
    def _power_of_two(self) -> Sobol:
        if self.points & (self.points - 1):
            near = 1 << self.points.bit_length()
            raise invalid("SAL005", self.points, "a power of two", f"points = {near}", at="points")
        return self


class Study(Model):
    """A fixed-pattern-noise study: every method at every level on the same virtual chips.

    Args:
        name: of the study.
        network: an installed network's name, or a network file (a relative path is the study file's neighbour).
        experiment: instead of a network, one that ``salhw reproduce`` lists, whole, on chips of each run's own; or a
            function of yours, ``module:function``, that is one (``salhw.registry.Experiment``).
        settings: of the installed network's builder; of an experiment its ``scale`` (by default ``smoke``), ``variant``
            and ``data``.
        targets: names, with ``options`` for all of them.
        variability: what differs from the variability that the targets declare: fields of ``salhw.Variability`` by
            quantity, as in their TOML; ``salhw study spreads`` makes them from a table of measured values.
        duration, settle: ms of biological time that is measured, and that runs before. Experiments have their own.
        chips, wafer, first: how many chips of which wafer, from which id on; the same for every method and level.
        batch: chips of one session. On targets whose random numbers are the session's (nest, brainscales2) it belongs
            to the result. ``salhw study preview`` says which size takes a few seconds.
        seeds: of the trial-to-trial randomness; each is a run of its own.
        noises, methods, metrics, specification, stop, sobol: see their classes; without noises chips are as declared.
        design: ``full`` tries every combination of the levels; ``one at a time`` the levels of each noise while all
            others are at their lowest, and while they are at their highest: 2 k + 2 combinations of k noises of two.
        notes: whatever you want to find again beside the result.
    """

    name: Name
    network: str = ""
    experiment: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("reference",)
    options: dict[str, Any] = Field(default_factory=dict)
    variability: dict[str, dict[str, Any]] = Field(default_factory=dict)
    duration: NonNegative = 0.0
    settle: NonNegative = 0.0
    chips: Annotated[Whole, Field(ge=1, le=MOST_CHIPS)]
    wafer: Annotated[Whole, Field(ge=0, le=MAX_ID)] = 0
    first: Annotated[Whole, Field(ge=0, le=MAX_ID - MOST_CHIPS)] = 0
    batch: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    seeds: Annotated[tuple[Annotated[Whole, Field(ge=0, le=MAX_ID)], ...], Field(min_length=1)] = (0,)
    noises: tuple[Noise, ...] = ()
    design: Literal["full", "one at a time"] = "full"
    methods: Annotated[tuple[Method, ...], Field(min_length=1)] = (Method(name="as it is"),)
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    specification: Specification | None = None
    stop: Stop | None = None
    sobol: Sobol | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _one_subject(self) -> Study:
        """A network with a duration, or an experiment, which has one, and seeds, of its own."""
        if bool(self.network) == bool(self.experiment):
            raise invalid("SAL005", self.network, "one of network and experiment", "give one of them", at="network")
        if self.network and not self.duration:
            raise invalid("SAL005", self.duration, "ms of biological time", "duration = 60_000", at="duration")
        if self.experiment:
            parts: list[tuple[str, Model, tuple[str, ...]]] = [("", self, NO_EXPERIMENTS)]
            parts += [(f"methods[{k}].", method, METHODS_ALONE) for k, method in enumerate(self.methods)]
            for path, part, fields in parts:
                for name in fields:
                    if getattr(part, name) != type(part).model_fields[name].get_default(call_default_factory=True):
                        supported = "nothing: an experiment has its own"
                        raise invalid("SAL005", getattr(part, name), supported, "leave it out", at=f"{path}{name}")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        for what in ("noises", "methods", "metrics"):
            names = [entry.name for entry in getattr(self, what)]
            for k, name in enumerate(names):
                if name in names[:k]:
                    raise invalid("SAL005", name, "names that differ", "call it otherwise", at=f"{what}[{k}].name")
        for what in ("targets", "seeds"):
            if len(set(getattr(self, what))) < len(getattr(self, what)):
                raise invalid("SAL005", getattr(self, what), "each once", "leave the second out", at=what)
        columns = [m.name for m in self.metrics]
        for what, entry in (("specification", self.specification), ("stop", self.stop)):
            if entry is not None and entry.metric not in columns:
                fix = nearest(entry.metric, columns, "name a metric of this study")
                raise invalid("SAL009", entry.metric, one_of(columns), fix, at=f"{what}.metric")
        for k, noise in enumerate(self.noises):
            if len(set(noise.levels)) < len(noise.levels):
                raise invalid("SAL005", noise.levels, "each once", "leave the second out", at=f"noises[{k}].levels")
            if self.sobol and (len(noise.levels) != 2 or noise.levels[0] >= noise.levels[1]):
                fix = "levels = [lower, upper]"
                raise invalid("SAL005", noise.levels, "two levels, the lower first", fix, at=f"noises[{k}].levels")
        if (self.sobol or self.design != "full") and not self.noises:
            raise invalid("SAL005", "", "noises, with sobol or a design", "name noises", at="noises")
        if self.sobol and self.design != "full":
            fix = "leave one of the two out"
            raise invalid("SAL005", self.design, "sobol, whose points are a design of its own", fix, at="design")
        taken = {"run", "target", "method", "seed", "chip", *ABOUT}
        for what in ("noises", "metrics"):
            for k, entry in enumerate(getattr(self, what)):
                other = columns if what == "noises" else ()
                if entry.name in taken or entry.name in other:
                    raise invalid(
                        "SAL005", entry.name, "a name of its own", "call it otherwise", at=f"{what}[{k}].name"
                    )
        return self

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels, in the order of the table: every combination, those of ``one at a time``, or the points of the
        Sobol' design (A, B, and for each noise A with its column from B; Saltelli 2010)."""
        each = [noise.levels for noise in self.noises]
        if self.design == "one at a time":
            others = [tuple(map(end, each)) for end in (min, max)]
            found = {(*o[:k], v, *o[k + 1 :]) for o in others for k, levels in enumerate(each) for v in levels}
            return tuple(sorted(found, key=lambda one: [levels.index(v) for levels, v in zip(each, one, strict=True)]))
        if self.sobol is None:
            return tuple(product(*each))
        from scipy.stats import qmc

        k, n = len(self.noises), self.sobol.points
        low, high = np.array([noise.levels for noise in self.noises]).T
        sample = qmc.Sobol(2 * k, seed=np.random.default_rng(self.sobol.seed)).random(n)
        a, b = sample[:, :k], sample[:, k:]
        mixed = [np.where(np.arange(k) == j, b, a) for j in range(k)]
        return tuple(map(tuple, (low + (high - low) * np.concatenate([a, b, *mixed])).tolist()))

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study file, TOML or JSON. A network file is found beside it.

        Raises:
            FileError: no such file, or neither TOML nor JSON.
            DescriptionError: with the path of every wrong entry.
        """
        path = as_path(path)
        try:
            text = path.read_text(encoding="utf-8")
            data = from_json(text) if path.suffix.lower() == ".json" else from_toml(text)
        except (OSError, ValueError) as error:
            fix = "check the path; docs/studies.md shows a study"
            raise file_error(path, "", f"a study, in TOML or JSON; {error}"[:300], fix) from None
        study = cls.model_validate(data)
        beside = path.parent / study.network
        return study.replace(network=str(beside.resolve())) if study.from_file else study

    @property
    def from_file(self) -> bool:
        """Whether the network is a file, and no installed one."""
        path = Path(self.network)
        return bool(path.suffix) or path.parent != Path()

    @classmethod
    def json_schema(cls) -> str:
        """The JSON Schema of a study file."""
        draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        return json.dumps(draft | cls.model_json_schema(), indent=2, sort_keys=True) + "\n"
