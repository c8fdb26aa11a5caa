"""A comparison's verdicts and their error rates; and nothing lost where a target is missing, refuses or breaks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison_examples import Broken, Elsewhere, Gone, Narrow, Strong, installed, pair, ran
from pictures import undrawn
from scipy import stats

import salhw
from salhw.comparison import Comparison
from salhw.comparison.judge import judged
from salhw.comparison.measures import Measure, measures
from salhw.comparison.quantities import QUANTITIES, checked_margins
from salhw.comparison.wording import decides, off_by, with_error
from salhw.diagnostics import DescriptionError, FileError, SalhwError
from salhw.registry import builder

NOTHING = dict.fromkeys(QUANTITIES, 1e-9)


def test_a_right_target_is_different_no_more_often_than_stated() -> None:
    """The reference against itself with other seeds, at margins of nothing, where one in twenty of families is to have
    an adjusted p-value below .05: 40 comparisons of 8 with 16 instances stay below the binomial bound (1e-4), and at
    the usual margins none is called different."""
    net, strict, usual = pair(), 0, 0
    for k in range(40):
        mine, theirs = (measures(ran(net, 1000.0, n, s), net, 1) for n, s in ((8, 2 * k), (16, 2 * k + 1)))
        strict += any(row.beyond <= 0.05 for row in judged(theirs, mine, NOTHING))
        usual += any(row.verdict == "different" for row in judged(theirs, mine, checked_margins(None)))
    assert stats.binomtest(strict, 40, 0.05, alternative="greater").pvalue > 1e-4
    assert usual == 0


def test_weights_of_a_third_more_are_shown_to_be_different() -> None:
    net = builder("sampling")()
    p = net.projections[0]
    strong = net.replace(projections=[p.replace(weights=p.weights.with_weights(1.3 * p.weights.stored))])
    reference = measures(ran(net, 10_000.0, 64, 0), net, 1)
    rows = judged(reference, measures(ran(strong, 10_000.0, 16, 1), net, 1), checked_margins(None))
    assert {row.quantity for row in rows if row.verdict == "different"} >= {"neuron_rates", "states"}
    same = judged(reference, measures(ran(net, 10_000.0, 16, 1), net, 1), checked_margins(None))
    assert {row.verdict for row in same} == {"equivalent"}


def test_too_little_data_is_undecided_and_says_how_much_would_do() -> None:
    net = pair()
    short = [measures(ran(net, 800.0, n, s), net, 1) for n, s in ((64, 0), (16, 1))]
    rows = {row.quantity: row for row in judged(*short, checked_margins(None))}
    undecided = [row for row in rows.values() if row.verdict == "undecided" and row.more is not None]
    row = min(undecided, key=lambda each: each.more or 0.0)
    assert row.more is not None
    assert row.more > 1
    outcome = salhw.comparison.Outcome("t", "ran", instances=16, rows=tuple(rows.values()))
    assert decides(row, outcome, 800.0).endswith(" s would tell")
    assert "chips would tell" in decides(row, replace(outcome, chips=(0, 1, 2, 3)), 800.0)
    assert off_by(replace(row, deviation=-203.0, margin=13.1, unit="Hz")) == "-200 / 13 Hz"
    assert off_by(replace(row, deviation=0.0, margin=0.05, unit="")) == "0 / 0.05"
    longer = [measures(ran(net, 0.8 * np.ceil(1000 * 2 * row.more), n, s), net, 1) for n, s in ((64, 2), (16, 3))]
    assert {r.quantity: r.verdict for r in judged(*longer, checked_margins(None))}[row.quantity] == "equivalent"


def test_a_larger_population_is_held_to_distributions_with_effect_sizes() -> None:
    """Rates over 40 neurons, one of two populations a tenth faster: the effect is its size, both are beyond."""
    rng = np.random.default_rng(1)
    rates = rng.normal(20.0, 4.0, 40)
    sorted_rates = [np.sort(rates * f + rng.normal(0, 0.5, (n, 40)), axis=1) for f, n in ((1.0, 64), (1.1, 16))]
    slow, fast = (Measure("rate_distribution", "populations.p", each, (), 20.0) for each in sorted_rates)
    rows = {row.quantity: row for row in judged([slow], [fast], checked_margins(None))}
    row = rows["rate_distribution"]
    assert row.verdict == "different"
    assert row.deviation == pytest.approx(2.0, rel=0.05)
    effect = rows["rate_effect"]
    assert effect.verdict == "different"
    assert effect.measured == pytest.approx(
        0.1 * rates.mean() / np.sqrt((1.1**2 + 1) / 2) / rates.std(ddof=1), rel=0.05
    )
    assert 0 < effect.error < 0.05
    assert rows["rate_ks"].measured is not None


def test_a_single_instance_is_cut_into_stretches_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, Elsewhere("plain")):
        net = pair()
        result = salhw.compare(net, duration=1600.0, instances=1)
    rows = {row.quantity: row for row in result["plain"].rows}
    assert rows["rate"].error is not None
    assert (rows["weights"].verdict, rows["weights"].error) == ("undecided", None)
    assert decides(rows["weights"], result["plain"], 1600.0) == (
        "fewer than two replicates with enough in them: run more instances, or longer"
    )


def test_every_target_has_its_outcome_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A plain one, one whose simulator is missing, one that refuses, one that breaks, and a wrong one."""
    seen: list[float] = []
    backends = [Elsewhere("plain"), Gone("gone"), Narrow("narrow"), Broken("broken"), Strong("strong")]
    net = builder("sampling")(size=3, seed=2)
    with installed(monkeypatch, *backends), undrawn():
        result = salhw.compare(net, duration=1600.0, fit=False, out=tmp_path, progress=seen.append)
    assert [o.target for o in result.outcomes] == ["plain", "gone", "narrow", "broken", "strong"]
    assert [o.verdict for o in result.outcomes][1:4] == ["unavailable", "refused", "failed"]
    assert result["broken"].message == "RuntimeError: the <chip> caught fire"
    assert 'pip install "salhw[it]"' in result["gone"].message
    assert "SAL101 populations.neurons.neuron" in result["narrow"].message
    assert result["plain"].verdict in ("equivalent", "undecided")
    assert result["strong"].verdict == "different"
    assert result.different
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert {p.name for p in tmp_path.glob("*.h5")} == {"reference.h5", "plain.h5", "strong.h5"}
    assert salhw.Recording.load(tmp_path / "plain.h5").duration == 1600.0
    assert {"index.html", "comparison.json", "rasters.png", "stdd.png", "states-neurons.png"} <= {
        p.name for p in tmp_path.iterdir()
    }
    loaded = Comparison.load(tmp_path / "comparison.json")
    assert loaded == result
    assert str(loaded) == str(result)
    assert "<chip>" not in loaded._repr_html_()
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_comparison_that_is_stopped_keeps_what_has_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stopped(Elsewhere):
        def open(self, executable: object, **options: object) -> object:
            raise KeyboardInterrupt

    with installed(monkeypatch, Elsewhere("plain"), Stopped("stopped")), pytest.raises(KeyboardInterrupt):
        salhw.compare(pair(), duration=400.0, instances=2, out=tmp_path)
    kept = Comparison.load(tmp_path / "comparison.json")
    assert [o.target for o in kept.outcomes] == ["plain"]
    assert (tmp_path / "plain.h5").exists()


def test_a_file_that_is_no_comparison_is_refused(tmp_path: Path) -> None:
    for text in ("{}", "[1]", '{"format": "salhw.comparison", "version": 99}', "\0"):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(FileError, match="compare again"):
            Comparison.load(tmp_path / "c.json")
    with pytest.raises(FileError, match="check the path"):
        Comparison.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ["nset"]}, "did you mean nest"),
        ({"margin": {"rates": 0.1}}, "did you mean rate"),
        ({"margin": {"rate": 0.0}}, "a number above 0"),
        ({"margin": 0.1}, "margins by quantity"),
        ({"duration": 0.1}, "duration = 0.4 ms"),
        ({"instances": 0}, "a whole number 1"),
        ({"seed": -1}, "a whole number 0"),
        ({"chips": {"elsewhere": 3}}, "name a target that is compared"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(options: dict[str, object], message: str) -> None:
    with pytest.raises(SalhwError, match=message):
        salhw.compare(pair(), **{"duration": 400.0} | options)  # type: ignore[arg-type]


def test_chips_are_instances_where_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain target made to vary; and the same target twice, with an option or a spread changed."""
    with installed(monkeypatch, Elsewhere("plain")):
        plain = salhw.target("plain")
        noisy = plain.with_variability({"bias": 0.3})
        result = salhw.compare(pair(), [plain, noisy], duration=400.0, instances=3, chips=None)
        assert [(o.target, o.chips) for o in result.outcomes] == [("plain", ()), ("plain-2", (0, 1, 2))]
        some = salhw.compare(pair(), [noisy], duration=400.0, chips=range(4, 6))
        assert some["plain"].chips == (4, 5)


def test_margins_are_the_users_where_they_are_given() -> None:
    assert checked_margins({"rate": 0.5})["rate"] == 0.5
    assert checked_margins({"rate": 0.5})["cv"] == QUANTITIES["cv"].margin
    with pytest.raises(DescriptionError) as error:
        checked_margins({"rate": -1.0, "nothing": 1.0})
    assert len(error.value.diagnostics) == 2


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(54.6123, 0.2213, "54.61 ± 0.22"), (1234.5, 99.0, "1234 ± 99"), (0.5, 0.0, "0.5"), (None, None, ""),
     (0.00314159, 3.2e-5, "0.003142 ± 0.000032"), (1e-12, 1e-13, "1e-12 ± 1e-13")],
)  # fmt: skip
def test_errors_have_two_digits(value: float | None, error: float | None, text: str) -> None:
    assert with_error(value, error) == text


def test_the_documented_margins_are_those_of_the_program() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    shown = guide.partition("<!-- quantities: begin -->\n")[2].partition("<!-- quantities: end -->")[0]
    assert shown.splitlines() == ["| name | what | margin |", "|---|---|---|", *map(documented, QUANTITIES)]


def documented(name: str) -> str:
    quantity = QUANTITIES[name]
    margin = f"{quantity.margin:g} of {quantity.of}" if quantity.of else f"{quantity.margin:g} {quantity.unit}".rstrip()
    meaning = quantity.meaning.replace("|", "\\|")
    return f"| `{name}` | {meaning} | {margin} |"


def test_targets_whose_simulators_are_missing_say_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real backends, where neither NEST nor Lava's environment is there."""
    import salhw_nest

    monkeypatch.setattr(salhw_nest, "find_spec", lambda name: None)
    monkeypatch.setenv("SALHW_HOME", str(tmp_path))
    result = salhw.compare(builder("sampling")(), duration=20.0, instances=2)
    said = {outcome.target: (outcome.verdict, outcome.message) for outcome in result.outcomes}
    assert {name: verdict for name, (verdict, _) in said.items()} == dict.fromkeys(
        ("brainscales2", "loihi2", "nest"), "unavailable"
    )
    assert 'pip install "salhw[nest]"' in said["nest"][1]
    assert "salhw setup loihi" in said["loihi2"][1]
