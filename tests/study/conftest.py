"""What several files of tests ask of one study."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_examples import pair_study

from salhw.study import run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study, which is not to be written into."""
    folder = tmp_path_factory.mktemp("undisturbed")
    results = run(pair_study(), folder)
    assert (len(results), results.planned, results.failed) == (24, 24, 0)
    return folder
