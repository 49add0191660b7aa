"""Tables and views of a SQL database, asked for one window at a time."""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from sluiceway.adapters.source_tables import (
    SourceTable,
    Survey,
    UnfitColumn,
    UnreadableTable,
    cut_to,
    in_one_line,
    micros_of,
)
from sluiceway.ports import Window

# SQLite compares times as text, and not everybody writes them alike: ask for a day more on either
# side and cut exactly afterwards.
_SQLITE_SLACK = timedelta(days=1)


class SqlTable(SourceTable):
    """A table or view; the place is ``URL#TABLE`` or ``NAME#TABLE``."""

    def __init__(self, place: str, event_time: str) -> None:
        super().__init__(event_time)
        target, hash_sign, table = place.rpartition("#")
        if not hash_sign or not target or not table:
            raise UnreadableTable(f"sql:{place} names no table; write sql:URL#table")
        try:
            if "://" in target:
                url = sa.make_url(target)
                if url.password is not None:
                    what = "has a password in its URL; put the URL into an environment variable"
                    raise UnreadableTable(f"sql:{url}#{table} {what} and name that: sql:NAME#table")
            elif target in os.environ:
                url = sa.make_url(os.environ[target])
            else:
                what = f"sql:{target}#{table}: the environment has no {target} with the URL"
                raise UnreadableTable(what)
            self._engine = sa.create_engine(url, poolclass=sa.NullPool)
            schema, _, name = table.rpartition(".")
            self._table = sa.Table(
                name, sa.MetaData(), schema=schema or None, autoload_with=self._engine
            )
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise UnreadableTable(f"table {table} cannot be read: {in_one_line(error)}") from error
        self._name = table

    def schema(self) -> pa.Schema:
        """See :class:`SourceTable`."""
        return pa.schema([(c.name, _arrow_type(c.type)) for c in self._table.columns])

    def survey(self, window: Window) -> Survey:
        """See :class:`SourceTable`."""
        event_time = self.event_time
        if not pa.types.is_timestamp(self.schema().field(event_time).type):
            kind = self._table.columns[event_time].type
            raise UnfitColumn(event_time, f"is of type {kind}, a time is needed")
        column = self._table.columns[event_time]
        with self._engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(self._table).where(column.is_(None))
            missing = int(connection.execute(query).scalar_one())
        times, _ = micros_of(self._window([event_time], window)[0], event_time)
        return Survey(times=times, missing=missing)

    def read(self, columns: Sequence[str], windows: Sequence[Window]) -> Iterator[pa.Table]:
        """See :class:`SourceTable`."""
        return (self._window(columns, window) for window in windows)

    def _window(self, columns: Sequence[str], window: Window) -> pa.Table:
        column = self._table.columns[self.event_time]
        slack = _SQLITE_SLACK if self._engine.dialect.name == "sqlite" else _SQLITE_SLACK * 0
        start, end = window.start - slack, window.end + slack
        if not getattr(column.type, "timezone", False):
            start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
        query = (
            sa.select(*(self._table.columns[name] for name in columns))
            .where(column >= start, column < end)
            .order_by(column)
        )
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            values = zip(*rows, strict=True) if rows else ((),) * len(columns)
            kinds = {name: self.schema().field(name).type for name in columns}
            table = pa.table(
                {
                    name: pa.array(column, type=kinds[name], from_pandas=True)
                    for name, column in zip(columns, values, strict=True)
                }
            )
        except (sa.exc.SQLAlchemyError, pa.ArrowException, ValueError) as error:
            raise UnreadableTable(
                f"table {self._name} cannot be read: {in_one_line(error)}"
            ) from error
        return cut_to(table, self.event_time, window)


def _arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    match kind:
        case sa.DateTime():
            return pa.timestamp("us", tz="UTC" if kind.timezone else None)
        case sa.Date():
            return pa.date32()
        case sa.Boolean():
            return pa.bool_()
        case sa.Integer():
            return pa.int64()
        case sa.Numeric():
            return pa.float64()
        case _:
            return pa.string()
