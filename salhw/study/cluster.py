"""A Dask cluster, on this machine or on many, by the address of its scheduler."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from salhw.diagnostics import BackendError, Diagnostic, FileError
from salhw.diagnostics.extras import extra
from salhw.study.batches import STUDY, Batch
from salhw.study.executors import Executor, with_workers
from salhw.study.working import Done, work

PATIENCE = 30.0
"""Seconds to wait for the scheduler, and for its first worker."""


def on_cluster(address: str) -> Executor:
    """The workers of a Dask cluster. They see the study's folder, and have the versions that are installed here.

    Dask carries pickles, which run whatever they like: its cluster needs TLS or a closed network.
    """
    return with_workers(lambda: _Cluster(address))


class _Cluster:
    """Workers that Dask's nannies start again where they die; a batch that kills one is tried on others first."""

    def __init__(self, address: str) -> None:
        distributed = _distributed()
        self.died: type[Exception] = distributed.KilledWorker
        try:
            self._client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            finding = Diagnostic("SAL905", "scheduler", address, f"a Dask scheduler with workers; {error}"[:200],
                                 "start one: dask scheduler, dask worker ADDRESS --nthreads 1")  # fmt: skip
            raise BackendError("BackendError: no cluster", [finding]) from None
        self.count = max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))
        self._executor = self._client.get_executor(pure=False, retries=0)
        self._seen = False

    def submit(self, folder: Path, identity: str, batch: Batch) -> Future[Done]:
        if not self._seen:
            self._refuse_blind(folder)
        submitted: Future[Done] = self._executor.submit(work, folder, identity, batch)
        return submitted

    def _refuse_blind(self, folder: Path) -> None:
        blind = [name for name, seen in self._client.run(_sees, str(folder)).items() if not seen]
        if blind:
            supported = f"a folder that every worker sees; {blind[0]} does not"
            finding = Diagnostic("SAL906", str(folder), "", supported, "put --out on a file system that all share")
            raise FileError("FileError: workers do not see the folder", [finding])
        self._seen = True

    def rebuild(self) -> None:
        self._client.wait_for_workers(1, timeout=PATIENCE)

    def finish(self) -> None:
        self._executor.shutdown(wait=True)

    def close(self) -> None:
        self._client.close()


def _sees(folder: str) -> bool:
    return (Path(folder) / STUDY).exists()


def _distributed() -> Any:
    return extra("distributed", "clusters need Dask", "pip install 'salhw[cluster]'")
