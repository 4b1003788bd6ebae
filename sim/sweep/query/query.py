"""SQL over a store: the table `results`, compacted parts and point files alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from moe_cosim import extras
from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.sweep.query.locked import identifier, literal, lock, select
from moe_cosim.sim.sweep.query.versions import Version, preferred
from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.columns import DIGESTS, FIRST, Row, row
from moe_cosim.sim.sweep.store.record import DamagedError, PointRecord
from moe_cosim.sim.sweep.store.store import Store

ALL = "SELECT * FROM results ORDER BY point_id"


def results(store: Store | str | Path, sql: str = ALL, all_versions: bool = False) -> Any:
    """A DuckDB relation: ``results("STORE").df()`` for pandas, ``.pl()`` for polars, ``.arrow()``.

    The table `results` has a row per finished or failed point: ``point_id``, ``status``, ``error``,
    ``configuration``, ``code``, ``version``, ``host``, ``wall_s``, ``finished_utc``, ``sources`` and
    ``files`` (digests, as JSON), ``sweep`` and ``variant`` (of the first plan that has the point), every
    field of the experiment by its dotted path and every metric.
    Columns with dots are quoted: ``SELECT "workload.batch", decode_tokens_per_s FROM results``.
    The table ``plans`` has (plan_id, sweep, variant, point_id) for every point of every plan.
    Of each configuration (an experiment whatever its seed) only one version of the code is in it, the one
    at hand or else the newest, unless `all_versions`; `Tables` says how many points that leaves out.
    Damaged points are left out; `Tables` names them. The SQL is one SELECT over these tables and sees no file, network
    or extension; raises `InputError` for any other and for one that fails, `RunError` for one without end.
    """
    return Tables(store if isinstance(store, Store) else Store.open(store), all_versions).query(sql)


class Tables:
    """A store read once, for any number of queries; `runs` are points that are in none, each with its variant."""

    def __init__(
        self, store: Store | None, all_versions: bool = False, runs: Sequence[tuple[str, PointRecord]] = ()
    ) -> None:
        duckdb = extras.load("duckdb")
        self._connection = duckdb.connect()
        with suppress(duckdb.InvalidInputException):  # in a notebook without ipywidgets, where there can be none
            self._connection.execute("SET enable_progress_bar = false")  # DuckDB's own is on standard output
        try:
            self.damaged: list[str] = parts.steadily(lambda: _fill(self._connection, store, runs))
        except duckdb.Error as error:  # columns of parts that others wrote, of kinds that do not go together
            found = Plain(str(error).partition("\n")[0])
            where = "runs" if store is None else store.path
            raise InputError(where, "parts", found, "parts that 'moe-cosim collect' wrote") from None
        """Point files and parts with wrong checksums; their points count as missing."""
        plans = [] if store is None else [store.outline(plan_id) for plan_id in store.plan_ids()]
        self.axes = list(dict.fromkeys(axis for plan in plans for axis in plan.axes))
        """Of every plan of the store."""
        variants = [point.variant for plan in plans for point in plan.points]
        self.variants = list(dict.fromkeys([*variants, *(variant for variant, _ in runs)]))
        """In the order of the plans, then of the runs."""
        self.left_out = 0 if all_versions else self._leave_out()
        """Points of other versions of the code than the one shown of their configuration."""
        if all_versions:
            self._connection.execute("CREATE VIEW results AS SELECT * FROM _everything")
        lock(self._connection, [] if store is None else parts.whole(store.path / "parts"))

    @property
    def columns(self) -> list[str]:
        """Of the table `results`."""
        return list(self.query("SELECT * FROM results LIMIT 0").columns)

    def other_versions_of(self, ids: Iterable[str]) -> int:
        """How many points have the configuration of one of these, and another version of the code."""
        self._connection.register("_asked", extras.load("pyarrow").table({"point_id": list(ids)}))
        asked = "SELECT configuration, code FROM _everything SEMI JOIN _asked USING (point_id)"
        sql = (
            f"WITH asked AS ({asked}) SELECT count(*) FROM _everything "
            f"SEMI JOIN asked USING (configuration) ANTI JOIN asked USING (configuration, code)"
        )
        return int(self.query(sql).fetchall()[0][0])

    def query(self, sql: str) -> Any:
        """A DuckDB relation that holds its rows."""
        return select(self._connection, sql)

    def headline(self) -> str:
        """The query for a terminal: axes and the few numbers that most people want, where there are any."""
        wanted = ("status", "variant", *self.axes, "decode_tokens_per_s", "end_to_end_s", "error")
        known = self.columns
        present = [identifier(name) for name in wanted if name in known]
        counts = ", ".join(f"count(nullif(CAST({name} AS VARCHAR), ''))" for name in present)
        filled = self.query(f"SELECT {counts} FROM results").fetchall()[0] if present else ()
        columns = [name for name, count in zip(present, filled, strict=True) if count]
        return f"SELECT {', '.join(['left(point_id, 12) AS point', *columns])} FROM results ORDER BY point_id"

    def _leave_out(self) -> int:
        """Makes `results` of one version of each configuration; how many points are not in it."""
        columns = "configuration, code, any_value(sources), max(finished_utc)"
        found = self.query(f"SELECT {columns} FROM _everything GROUP BY configuration, code").fetchall()
        kept = preferred(Version(*each) for each in found)
        pairs = {"configuration": [each.configuration for each in kept], "code": [each.code for each in kept]}
        pa = extras.load("pyarrow")
        self._connection.register(
            "_shown", pa.table({name: pa.array(each, pa.string()) for name, each in pairs.items()})
        )
        self._connection.execute(
            "CREATE VIEW results AS SELECT * FROM _everything SEMI JOIN _shown USING (configuration, code)"
        )
        count = "SELECT (SELECT count(*) FROM _everything) - (SELECT count(*) FROM results)"
        return int(self.query(count).fetchall()[0][0])


def _fill(connection: Any, store: Store | None, runs: Sequence[tuple[str, PointRecord]]) -> list[str]:
    """Makes the tables `plans` and `_everything`; what is damaged."""
    pa = extras.load("pyarrow")
    from moe_cosim.sim.sweep.store.table import table

    found, damaged = ([], []) if store is None else _loose(store)
    loose = list({each["point_id"]: each for each in [*found, *(row(record) for _, record in runs)]}.values())
    sources = []
    if loose:
        connection.register("_loose", table(loose))
        sources.append("SELECT * FROM _loose")
    columnar = [] if store is None else _columnar(store)
    if columnar:
        listed = ", ".join(literal(str(path)) for path in columnar)
        once = "QUALIFY row_number() OVER (PARTITION BY point_id) = 1"
        apart = "WHERE point_id NOT IN (SELECT point_id FROM _loose) " if loose else ""
        columns = f"* EXCLUDE ({parts.RECORD})"
        sources.append(f"SELECT {columns} FROM read_parquet([{listed}], union_by_name=true) {apart}{once}")
    if not sources:
        connection.register("_loose", pa.table({name: pa.array([], pa.string()) for name in (*FIRST, *DIGESTS)}))
        sources.append("SELECT * FROM _loose")
    connection.register("plans", _plans(store, runs))
    connection.execute(
        f"CREATE OR REPLACE VIEW _everything AS SELECT found.*, member.sweep, member.variant FROM "
        f"({' UNION ALL BY NAME '.join(sources)}) AS found LEFT JOIN "
        f"(SELECT point_id, min_by(sweep, plan_id) AS sweep, min_by(variant, plan_id) AS variant "
        f"FROM plans GROUP BY point_id) AS member USING (point_id)"
    )
    return damaged


def _loose(store: Store) -> tuple[list[Row], list[str]]:
    """Rows of all that is in no part with columns, and what is damaged."""
    finished, damaged = [], []
    for point_id, found in store.records():
        if isinstance(found, DamagedError):
            damaged.append(point_id)
        else:
            finished.append(row(found))
    finished += [row(record) for path in _older(store) for record in parts.records(path)]
    ids = {each["point_id"] for each in finished}
    compacted = parts.ids(store.path / "parts")
    failures = [
        row(found)
        for point_id, found in store.records("failed")
        if not isinstance(found, DamagedError) and point_id not in ids and point_id not in compacted
    ]
    return [*finished, *failures], [*damaged, *(path.name for path in parts.damaged(store.path / "parts"))]


def _older(store: Store) -> list[Path]:
    """Parts without the columns of today."""
    return [path for path in parts.whole(store.path / "parts") if not parts.has_column(path, "configuration")]


def _columnar(store: Store) -> list[Path]:
    older = _older(store)
    return [path for path in parts.whole(store.path / "parts") if path not in older]


def _plans(store: Store | None, runs: Sequence[tuple[str, PointRecord]]) -> Any:
    pa = extras.load("pyarrow")
    members: list[tuple[str, str, str, str]] = [("", "", variant, record.point_id) for variant, record in runs]
    if store is not None:
        for plan_id in store.plan_ids():
            plan = store.outline(plan_id)
            members += [(plan_id, plan.name, point.variant, point.id) for point in plan.points]
    named = zip(("plan_id", "sweep", "variant", "point_id"), _columns(members), strict=True)
    return pa.table({name: pa.array(column, pa.string()) for name, column in named})


def _columns(members: Iterable[tuple[str, ...]]) -> list[list[str]]:
    turned = [list(column) for column in zip(*members, strict=True)]
    return turned or [[], [], [], []]
