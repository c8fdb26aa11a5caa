"""The injected spread is what the profile says: over 200 chips, in every process, and gone with the switches off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import salhw
from salhw import Chip, FileError
from salhw.substrate.variability import Variability
from salhw_brainscales2.hardware.variability import profile

LEVEL = 1e-4 / 17  # per quantity, so that the chance of any false alarm is 1e-4; seeds are fixed
TARGET = salhw.target("reference").replace(variability=profile())
CHIPS = TARGET.sample_chips(200, seed=11)
NEURONS = np.arange(12)
SYNAPSES = ((np.repeat(NEURONS, 12) << 32) + np.tile(NEURONS, 12)).reshape(12, 12)  # [column, row]
FROZEN = [name for name, spread in profile().items() if spread.group != "trial" and name != "read_noise"]


def places(spread: Variability) -> np.ndarray:
    """Locations with a draw of their own."""
    each = {"neuron": NEURONS, "synapse": SYNAPSES.ravel(), "row": SYNAPSES[0], "column": SYNAPSES[:, 0], None: NEURONS}
    return each[spread.per]


@pytest.mark.parametrize("name", FROZEN)
def test_the_spread_over_chips_and_places_is_the_profiles(name: str) -> None:
    spread, nominal = profile()[name], 20.0
    drawn = np.array([chip.vary(name, nominal, places(spread)) for chip in CHIPS])
    if spread.distribution == "lognormal":
        declared = stats.lognorm(spread.sd, scale=nominal)
    else:
        declared = stats.norm(nominal, spread.sd * (nominal if spread.mode == "relative" else 1.0))
    # Beyond `truncate`, 3 sd at the least, values lie on the limit: too few for the test of the whole distribution.
    low, high = declared.ppf(stats.norm.cdf([-spread.truncate, spread.truncate]))
    assert low - 1e-9 <= drawn.min() < drawn.max() <= high + 1e-9
    assert stats.kstest(drawn.ravel(), declared.cdf).pvalue > LEVEL
    between = np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]
    assert abs(between) < stats.norm.isf(LEVEL / 2) / np.sqrt(drawn[1:].size)  # chips know nothing of each other


def test_rows_and_columns_share_a_draw_and_branches_do_not() -> None:
    spreads = {"by_row": Variability(sd=0.1, per="row"), "by_column": Variability(sd=0.1, per="column")}
    chip = Chip(id=1, target="t", variability=spreads | profile())
    by_row, by_column = chip.vary("by_row", 1.0, SYNAPSES), chip.vary("by_column", 1.0, SYNAPSES)
    assert (by_row == by_row[0]).all()
    assert len(np.unique(by_row)) == 12
    assert (by_column == by_column[:, :1]).all()
    assert len(np.unique(by_column)) == 12
    for quantity in ("amplitude", "tau", "offset"):
        a, b = (
            np.array([chip.vary(f"{branch}_{quantity}", 10.0, SYNAPSES[:, 0]) for chip in CHIPS]).ravel()
            for branch in ("causal", "anticausal")
        )
        assert stats.pearsonr(a, b).pvalue > LEVEL


def test_a_chip_is_frozen_across_processes() -> None:
    code = (
        "import salhw, numpy as np; from salhw_brainscales2.hardware.variability import profile;"
        "t = salhw.target('reference').replace(variability=profile());"
        "c = t.sample_chips(6, seed=11)[5];"
        "print(*[c.vary(n, 20.0, np.arange(4) << 32).tobytes().hex() for n in profile()])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == [CHIPS[5].vary(name, 20.0, np.arange(4) << 32).tobytes().hex() for name in profile()]


@pytest.mark.parametrize("group", ["mismatch", "trial", "plasticity"])
def test_each_switch_removes_its_group_and_nothing_else(group: str) -> None:
    chip = TARGET.with_noise(**{group: False}).sample_chips(1, seed=11)[0]
    groups = {name: spread.group for name, spread in profile().items()}
    assert group in groups.values()
    for name, own in groups.items():
        varied = chip.vary(name, 20.0, SYNAPSES)
        if own == group:
            assert chip.spread(name) == 0.0
            assert np.unique(varied).tolist() == [20.0]
        else:
            assert chip.spread(name) == profile()[name].sd > 0.0
            assert np.array_equal(varied, CHIPS[0].vary(name, 20.0, SYNAPSES))
    quiet = TARGET.with_noise(mismatch=False, trial=False, plasticity=False)
    assert not any(spread.sd for spread in quiet.variability.values())
    assert quiet.with_variability({"tau_m": 0.3}).variability["tau_m"].sd == 0.3
    assert TARGET.with_noise() == TARGET
    assert chip.spread("unknown") == 0.0


DOCUMENTED = {  # the ranges of the public sources; what is assumed is not here
    "tau_syn_exc": (0.2, 0.2), "tau_syn_inh": (0.21, 0.21), "gain_exc": (0.15, 0.21), "gain_inh": (0.15, 0.21),
    "tau_m": (0.14, 0.14), "v_leak": (13.0, 18.0), "v_reset": (12.0, 18.0), "v_thresh": (7.0, 16.0),
    "weight": (0.0, 0.1), "causal_offset": (9.3, 9.9), "anticausal_offset": (9.3, 9.9), "read_noise": (2.0, 2.0),
    "threshold_noise": (0.03, 0.032),
}  # fmt: skip


def test_the_defaults_lie_in_the_documented_ranges() -> None:
    spreads = profile()
    assert all(low <= spreads[name].sd <= high for name, (low, high) in DOCUMENTED.items())
    sensors = {f"{branch}_{quantity}" for branch in ("causal", "anticausal") for quantity in ("amplitude", "tau")}
    circuits = {"adaptation_a", "adaptation_b", "tau_w", "slope_factor", "v_exp", "utilisation", "recovery"}
    assert {name for name in spreads if name not in DOCUMENTED} == sensors | circuits
    assert all("assumed" in spreads[name].source for name in sensors | circuits)


def test_every_number_has_a_source_and_a_wrong_file_is_refused(tmp_path: Path) -> None:
    assert all(spread.source for spread in profile().values())
    alone = {name for name, spread in profile().items() if not spread.per and spread.group != "trial"}
    assert alone == {"read_noise", "utilisation", "recovery"}
    (tmp_path / "profile.toml").write_text("[tau_m]\nsd = 0.1\nper = 'wafer'\n")
    with pytest.raises(salhw.DescriptionError, match="per"):
        profile(tmp_path / "profile.toml")
    with pytest.raises(FileError, match="SAL501"):
        profile(tmp_path / "none.toml")
