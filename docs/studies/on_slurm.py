"""A study on the nodes of a SLURM cluster: ``python on_slurm.py pair.toml /shared/pair 64``, again to resume it.

Needs ``pip install 'salhw[cluster]' dask-jobqueue`` on a file system that all nodes see, as the last two paths are.
"""

import sys
from pathlib import Path
from typing import Any

from salhw.study import Results, Study, run


def studied(cluster: Any, file: str | Path, out: str | Path, workers: int) -> Results:
    """Run a study on as many workers of a Dask cluster, of whatever kind, as it may have."""
    cluster.scale(workers)
    return run(Study.load(file), out, scheduler=cluster.scheduler_address, origin=Path(file).parent)


if __name__ == "__main__":
    from dask_jobqueue import SLURMCluster

    with SLURMCluster(
        cores=1, processes=1, memory="2GB", walltime="04:00:00", job_script_prologue=["export SALHW_THREADS=1"]
    ) as jobs:
        print(studied(jobs, sys.argv[1], sys.argv[2], int(sys.argv[3])))
