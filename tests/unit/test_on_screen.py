"""What is shown of a network, a report, a recording, a chip and a measurement: on a screen, escaped, without script."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import salhw
from salhw import GLM, Membrane, Network, Population, Recording, Spikes
from salhw.description.summary import in_words, span
from salhw.diagnostics.html import section, table
from salhw.registry import builder
from salhw.session.recording import TimeSeries
from salhw_calibration import Calibration, EffectiveWeights

EVIL = "<script>alert('&')</script>"


class Tags(HTMLParser):
    """The tags and the text of a piece of HTML; every tag has to be closed by its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_everything_is_escaped() -> None:
    page = Tags(section(EVIL, table([(EVIL, 3)], (EVIL,), css='"><b>'), note=EVIL))
    assert {*page.tags} == {"section", "p", "b", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.text.count(EVIL) == 4
    assert page.tags.count("b") == 1


def test_long_tables_are_cut_and_empty_ones_left_out() -> None:
    page = Tags(table(((k,) for k in range(50)), ("k",), most=7))
    assert page.tags.count("tr") == 1 + 7 + 1
    assert page.text.endswith("6... and 43 more")
    assert Tags(table(((k,) for k in range(50)), most=None)).tags.count("tr") == 50
    assert table([], ("k",)) == ""


def recorded(name: str = "n") -> Recording:
    counts = {name: np.array([[3, 1], [2, 2]])}
    traces = {"p": TimeSeries(np.zeros(4), np.zeros((2, 4, 2, 2)))}
    provenance = {"network": EVIL, "target": "t", "chips": [4, 7]}
    return Recording((4, 7), 0.0, 500.0, counts, weight_traces=traces, provenance=provenance)


def measured(name: str = "p") -> EffectiveWeights:
    weights = {name: np.array([[[np.nan, 0.5], [0.25, np.nan]]])}
    return EffectiveWeights("likelihood", (3,), weights, weights, weights, provenance={"target": EVIL})


def calibration() -> Calibration:
    none, yes = np.zeros((1, 2, 2)), np.ones((1, 2), np.bool_)
    spread = {"weight before": np.array([0.2]), "weight after": np.array([0.05])}
    two = np.zeros((1, 2))
    return Calibration(
        EVIL, "", 0, (3,), np.arange(2), np.arange(2), none, two, two, none * np.nan, yes, yes, yes, yes, spread
    )  # fmt: skip


@pytest.mark.parametrize(
    "shown", [recorded(EVIL), measured(EVIL), calibration()], ids=["recording", "weights", "chips"]
)
def test_names_are_escaped_in_a_notebook(shown: Recording | EffectiveWeights | Calibration) -> None:
    page = Tags(shown._repr_html_())
    assert "script" not in page.tags
    assert EVIL in page.text


def test_a_recording_fits_on_a_screen_and_says_what_there_is() -> None:
    lines = str(recorded()).splitlines()
    assert lines[0].endswith("on t: 500 ms from 0 ms, 2 chips")
    assert lines[1:] == ["  n: 2 neurons, 8 spikes, 4 Hz on average", "  p: weights of shape (2, 2) at 4 times"]
    assert replace(recorded(), provenance={"chips": [0, 0]}).instances_are == "instance"
    many = Recording((0,), 0.0, 1.0, {f"n{k}": np.zeros((1, 1), int) for k in range(500)})
    assert len(repr(many).splitlines()) == 32


def test_a_run_is_shown_with_its_spikes_and_membranes() -> None:
    net = Network(
        name="n", dt=1.0, populations=[Population(name="a", size=2, neuron=GLM())], probes=[Spikes("a"), Membrane("a")]
    )  # fmt: skip
    recording = salhw.run(net, duration=100.0)
    assert str(recording).endswith("spike times, membrane")
    assert (
        repr(recording.spikes["a"])
        == f"SpikeTrains({len(recording.spikes['a'])} spikes of 2 neurons, 1 instance, 0..100 ms)"
    )
    assert len(repr(recording.membrane_traces["a"])) < 80


def test_a_network_is_shown_part_by_part() -> None:
    net = builder("pair")()
    text = str(net)
    assert text.splitlines()[0] == "pair: 2 neurons, dt = 0.4 ms"
    assert "population neurons: 2 GLM: bias -0.5..-0.2, tau_ref 10 ms" in text
    assert "weights 0.5..1.5" in text  # synapses only, without the zeros of the diagonal
    page = Tags(net._repr_html_())
    assert page.tags.count("table") == 3  # there are no stimuli
    assert in_words(Spikes("a")) == "Spikes"
    assert (span(np.zeros(0)), span(np.full(3, 2.0))) == ("none", "2")


def test_a_report_is_shown_with_its_approximations() -> None:
    report = salhw.compile(builder("pair")(), "nest").report
    page = Tags(report._repr_html_())
    for item in report.approximations:
        assert item.supported in page.text
    assert f"{len(report.approximations)} approximations" in page.text


def test_chips_and_targets_fit_on_a_line() -> None:
    target = salhw.target("brainscales2")
    (chip,) = target.sample_chips(1, 3, first=2)
    count = len(chip.variability)
    assert repr(chip) == f"Chip(id=2, wafer=3, target='brainscales2', {count} quantities that vary)" == str(chip)
    assert len(repr(target)) < 80


def test_a_measurement_is_shown_by_what_is_known() -> None:
    assert "  weights p: known 2 of 4, median 0.375, lowest to highest 0.25..0.5" in repr(measured()).splitlines()
    assert "weight: calibrated 100.0%, spread before 0.2, after 0.05" in repr(calibration())
