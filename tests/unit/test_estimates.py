"""How long work will take is told before it begins, and is right within a factor of 2."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import undrawn
from proc import stat

import salhw
from salhw import GLM, SAL, AllToAll, Alpha, Network, Population, Projection, Target
from salhw.cli.outlook import Watch, tell
from salhw.cli.progress import Bar
from salhw.session import pilot
from salhw.session.pilot import FACTOR, Estimate, as_words, estimated
from salhw.worker import supervisor
from salhw_networks.experiment import Work
from salhw_networks.pairs.network import network as pair
from salhw_networks.sampling.network import network as sampling

REFERENCE = salhw.target("reference")
STEPPING = REFERENCE.with_options(algorithm="time-driven")
# Lava's runtime is several processes that wait for each other: on a busy machine a step takes 0.3 to 0.8 ms of the
# processors' time, from one second to the next.
ONE_PROCESS = salhw.target("loihi2").with_options(execution="in-process")


def decaying() -> Network:
    net = sampling(seed=3)
    return net.replace(projections=[net.projections[0].replace(kernel=Alpha(tau_syn=3.0))])


def large() -> Network:
    populations = [Population(name="neurons", size=100, neuron=GLM(tau_ref=10.0))]
    joined = Projection("all", pre="neurons", post="neurons", weights=AllToAll(weight=-0.02), plasticity=SAL(1e-5))
    return Network(name="large", dt=0.2, populations=populations, projections=[joined])


CASES: dict[str, tuple[Network, Target, float, int]] = {
    "tabulated": (sampling(seed=3, sal_rate=1e-4), REFERENCE, 4e6, 1),
    "on the spike": (sampling(seed=3, sal_rate=1e-4, update="spike"), REFERENCE, 1e6, 2),
    "stepping": (sampling(seed=3), STEPPING, 3e5, 1),
    "alpha": (decaying(), REFERENCE, 3e5, 1),
    "large": (large(), REFERENCE, 2e4, 1),
    "nest": (pair(), salhw.target("nest"), 1e4, 2),
    "brainscales2": (pair(update="every 200 ms"), salhw.target("brainscales2"), 2e4, 1),
    "loihi2": (pair(update="every 20 ms", pairing="all", execution="host"), ONE_PROCESS, 2e3, 1),
}


def processor_time() -> float:
    """Seconds that processors worked for this process, those that it started, and those that these started."""
    total = time.process_time()
    for process in supervisor.descendants(os.getpid(), 0):
        # none of one that ended meanwhile, whose time its parent has
        total += sum(map(int, stat(process)[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def ratio(net: Network, target: Target, duration: float, instances: int) -> float:
    """What was estimated as a multiple of what it took."""
    executable = salhw.compile(net.replace(probes=[]), target)
    expected = estimated(executable, duration, instances=instances, seed=1).seconds
    began = pilot.clock()
    with executable.open(instances=instances, seed=1) as session:
        session.run(duration)
    return expected / (pilot.clock() - began)


@pytest.mark.parametrize("case", CASES)
def test_an_estimate_is_right_within_its_factor(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # By the time of processors: others' jobs come and go between a pilot and the run.
    monkeypatch.setattr(pilot, "clock", processor_time)
    monkeypatch.setattr(pilot, "WORTH_TELLING", 0.0)
    monkeypatch.setattr(pilot, "PILOT", 0.2)
    assert 1 / FACTOR < ratio(*CASES[case]) < FACTOR


def test_a_short_run_is_tried_for_a_hundredth_of_it_only(monkeypatch: pytest.MonkeyPatch) -> None:
    executable, ran = salhw.compile(sampling(), REFERENCE), []
    opened = type(executable).open

    def watch(self: Any, **opening: Any) -> Any:
        session = opened(self, **opening)
        run = session.run
        session.run = lambda duration, **more: ran.append(duration) or run(duration, **more)  # type: ignore[func-returns-value]
        return session

    monkeypatch.setattr(type(executable), "open", watch)
    assert not estimated(executable, 10_000.0).worth_telling
    assert sum(ran) < 0.15 * 10_000.0


def test_what_cannot_run_takes_no_time_and_its_error_is_told_in_its_place() -> None:
    executable = salhw.compile(pair(), REFERENCE)
    assert estimated(executable, -1.0) == estimated(executable, 10.0, instances=0) == Estimate(0.0)


def test_times_are_said_as_a_person_says_them() -> None:
    assert [as_words(s) for s in (12.3, 240.0, 20_000.0, 1e6, 3e8)] == [
        "12 s",
        "4 min",
        "5.6 h",
        "12 days",
        "3,500 days",
    ]
    assert str(Estimate(60.0)) == "about 60 s (between 30 s and 2 min)"


def test_only_what_takes_above_ten_seconds_is_told_and_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds in (9.0, 30.0):
        tell("it", Estimate(seconds))
    assert capsys.readouterr() == ("", "it will take about 30 s (between 15 s and 60 s).\n")


def test_work_of_unknown_parts_is_told_by_its_pace_once_without_what_was_found_finished() -> None:
    now, told, passed = [0.0], [], []
    done = Watch(Bar(lambda completed: passed.append(completed), "fig"), told.append, clock=lambda: now[0])
    for share in (0.1, 0.2, 0.5):  # pieces of an earlier run
        now[0] += 0.01
        done(share)
    for share in np.linspace(0.51, 1.0, 50):  # then one per second
        now[0] += 1.0
        done(float(share))
    assert len(told) == 1
    assert told[0].seconds == pytest.approx(50.03, rel=1e-6)
    assert passed[:4] == [0.1, 0.2, 0.5, 0.51]


def test_what_precedes_the_first_word_says_nothing_about_the_pace() -> None:
    """A minute of compiling, then a piece of a hundredth each second: a minute and a hundred seconds, not a hundred
    minutes."""
    now, told = [0.0], []
    done = Watch(None, told.append, clock=lambda: now[0])
    now[0] = 60.0
    for share in np.linspace(0.01, 0.1, 10):
        now[0] += 1.0
        done(float(share))
    assert [estimate.seconds for estimate in told] == [pytest.approx(160.0)]


def test_words_for_the_bar_go_past_the_watch() -> None:
    shown: list[dict[str, Any]] = []
    bar = Bar(lambda **told: shown.append(told), "fig")
    Work("fig", Path(), REFERENCE, {}, 1.0, Watch(bar, lambda _: None)).say("angle 20")
    assert shown == [{"description": "fig · angle 20"}]


def test_run_and_compare_tell_before_they_begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from typer.testing import CliRunner

    from salhw.cli import app

    monkeypatch.setattr(pilot, "WORTH_TELLING", 0.0)
    said = CliRunner().invoke(app, ["run", "pair", "--duration", "100"])
    assert said.exit_code == 0
    assert said.stderr.startswith("pair on reference will take about ")
    words = ["compare", "pair", "--targets", "nest", "--duration", "200", "--out", str(tmp_path / "out")]
    with undrawn():
        said = CliRunner().invoke(app, words)
    assert "pair on all targets will take about " in said.stderr
