"""Records to disk while the next point runs: flushing a file takes as long as a short simulation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import Queue
from threading import Thread

from moe_cosim.sim.sweep.pool import memory
from moe_cosim.sim.sweep.pool.messages import CANNOT_WRITE, FAILED, FINISHED, Report
from moe_cosim.sim.sweep.store.claims import Claims
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store


class Keeper:
    """A thread that writes records, lets go of their claims, and sends reports, in the order of `put`.

    At most one record waits while another is written. Leaving the context writes what is left.
    """

    def __init__(self, store: Store, claims: Claims, send: Callable[[Report], None]) -> None:
        self._store, self._claims, self._send = store, claims, send
        self._queue: Queue[PointRecord | Report | None] = Queue(maxsize=1)
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def put(self, item: PointRecord | Report) -> None:
        """A record to keep, or a report of a point that has none."""
        self._queue.put(item)

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None:
            report = item if isinstance(item, Report) else self._keep(item)
            with suppress(BrokenPipeError, ConnectionResetError):  # the sweep was killed: what is done is kept
                self._send(report)

    def _keep(self, record: PointRecord) -> Report:
        try:
            self._store.write(record)
        except OSError as error:
            return Report(record.point_id, CANNOT_WRITE, text=str(self._store.cannot_write(error)))
        except MemoryError:
            return Report(record.point_id, FAILED, text="its result needs more memory (--memory)")
        finally:
            self._claims.release(record.point_id)
        outcome = FINISHED if record.status == "finished" else FAILED
        return Report(record.point_id, outcome, record.wall_s, record.error or "", memory.resident_bytes())
