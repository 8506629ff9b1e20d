"""Who reads the batches: this process, a pool of processes, or a Dask cluster. Batches in, the same batches with readings out.

Whoever reads, the batches and their order are the same, and so are the rows that come of them. No database here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from db.models import Document, InputError
from nlp.debate import Debate
from nlp.reader import Reader, ReadFailure, Reading, ReadInput

Readings = list[Reading | ReadFailure]


class Workers(Protocol):
    """Something that reads batches."""

    def map(self, batches: Iterable[list[Document]]) -> Iterator[tuple[list[Document], Readings]]:
        """Every batch with its readings, in the order of the batches."""


@contextmanager
def open_workers(debate: Debate, reader: Reader, *, workers: int = 1, cluster: str | None = None) -> Iterator[Workers]:
    """The readers for one run; processes that were started for it end with it. InputError: no scheduler at that address."""
    if cluster is not None:
        with _cluster(cluster, workers) as client:
            yield _Ahead(lambda inputs: client.submit(read_batch, debate, inputs, pure=False), 2 * max(2, workers))
        return
    if workers <= 1:
        yield _Here(reader)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # spawn: a forked copy of a process that has threads (onnxruntime, tqdm) can hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield _Ahead(lambda inputs: pool.submit(read_batch, debate, inputs), 2 * workers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def to_read_input(document: Document) -> ReadInput:
    """What the reader is told of a document."""
    author = " and ".join(document.authors) or None
    return ReadInput(document.id, document.text, document.title, author, document.kind, document.published_at)


_readers: dict[str, Reader] = {}


def read_batch(debate: Debate, inputs: Sequence[ReadInput]) -> Readings:
    """Reads a batch in a worker process, which builds its reader at its first batch and keeps it."""
    if debate.fingerprint not in _readers:
        _readers.clear()
        _readers[debate.fingerprint] = Reader(debate)
    return list(_readers[debate.fingerprint].read(inputs))


class _Here:
    """Reads in this process."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def map(self, batches: Iterable[list[Document]]) -> Iterator[tuple[list[Document], Readings]]:
        for batch in batches:
            yield batch, list(self._reader.read([to_read_input(d) for d in batch]))


class _Ahead:
    """Hands batches out ahead, a few at a time, so that a million documents are not all in memory at once."""

    def __init__(self, submit: Callable[[list[ReadInput]], Any], window: int) -> None:
        self._submit = submit
        self._window = window

    def map(self, batches: Iterable[list[Document]]) -> Iterator[tuple[list[Document], Readings]]:
        waiting: deque[tuple[list[Document], Any]] = deque()
        for batch in batches:
            waiting.append((batch, self._future(batch)))
            if len(waiting) >= self._window:
                yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def _future(self, batch: list[Document]) -> Any:
        try:
            return self._submit([to_read_input(d) for d in batch])
        except Exception as error:  # a pool whose worker was killed takes no more work
            return error

    @staticmethod
    def _result(batch: list[Document], future: Any) -> tuple[list[Document], Readings]:
        """A worker that died (out of memory, killed) costs its batch this run, not the run."""
        try:
            if isinstance(future, Exception):
                raise future
            return batch, list(future.result())
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            return batch, [ReadFailure(d.id, reason) for d in batch]


@contextmanager
def _cluster(address: str, workers: int) -> Iterator[Any]:
    import distributed

    # Its own annotations are partial.
    client_of: Any = distributed.Client
    cluster_of: Any = distributed.LocalCluster

    if address == "local":
        with (
            cluster_of(n_workers=max(1, workers), threads_per_worker=1, dashboard_address=None) as cluster,
            client_of(cluster) as client,
        ):
            yield client
        return
    try:
        client = client_of(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"{address}: no Dask scheduler answers there; start one, or use --cluster local") from error
    with client:
        yield client
