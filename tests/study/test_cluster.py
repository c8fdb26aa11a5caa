"""A study in this process, and on a Dask cluster of two workers, one of which is killed while it works."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest
from proc import alive
from study_examples import HERE, mine, pair_study, table, wait_for

import salhw
from salhw.io.files import write_text
from salhw.study import Method, Study, run


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    paths = os.pathsep.join([str(HERE), *sys.path])
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, env={"PYTHONPATH": paths, "SALHW_THREADS": "1"}
    ) as started:
        yield started


@pytest.fixture(scope="module")
def address(cluster: Any) -> str:
    return str(cluster.scheduler_address)


def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path, address: str) -> None:
    study = pair_study(metrics=mine("kills_once", flag=str(tmp_path / "flag")), specification=None)
    told = run(study, tmp_path / "cluster", scheduler=address, origin=HERE)
    assert (tmp_path / "flag").exists()
    assert told.failed == 0
    run(study, tmp_path / "here", origin=HERE)
    assert table(tmp_path / "cluster") == table(tmp_path / "here")


def test_the_script_for_slurm_runs_a_study_on_whatever_cluster(tmp_path: Path, cluster: Any) -> None:
    script = runpy.run_path(str(HERE.parents[1] / "docs" / "studies" / "on_slurm.py"))
    file = write_text(tmp_path / "pair.json", pair_study(noises=(), chips=2).model_dump_json())
    told = script["studied"](cluster, file, tmp_path / "out", 2)
    assert (len(told), told.failed) == (4, 0)
    run(Study.load(file), tmp_path / "here")
    assert table(tmp_path / "out") == table(tmp_path / "here")


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salhw.study.cluster.PATIENCE", 0.5)
    with pytest.raises(salhw.BackendError, match=r"SAL905 scheduler = tcp://127.0.0.1:1"):
        run(pair_study(), tmp_path, scheduler="tcp://127.0.0.1:1")


def test_what_a_killed_worker_has_started_ends_with_it(tmp_path: Path, address: str) -> None:
    """NEST runs in processes that the workers start; the first batch kills its worker while one is there."""
    pytest.importorskip("nest")
    study = pair_study(
        targets=("nest",),
        noises=(),
        methods=(Method(name="none", plastic=False),),
        settings={},
        metrics=mine("kills_once_with_children", listed=str(tmp_path / "children")),
        specification=None,
    )
    told = run(study, tmp_path / "out", scheduler=address, origin=HERE)
    assert told.failed == 0, told.table["diagnostic"]
    started = [int(text) for text in (tmp_path / "children").read_text().split()]
    assert started
    wait_for(lambda: not any(map(alive, started)), 10.0)
    assert not any(map(alive, started))
