"""Sessions of DuckDB: each has its own views and settings, also where they share a database."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mlspec.monitoring.duckdb_session import QueryLimits, one_database, session


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> object:
    return connection.execute("SELECT current_setting(?)", [name]).fetchall()[0][0]


def test_sessions_of_one_database_have_views_and_settings_of_their_own() -> None:
    with one_database(), session(QueryLimits()) as first, session(QueryLimits()) as second:
        first.execute("CREATE VIEW predictions AS SELECT 1 AS row")
        second.execute("CREATE VIEW predictions AS SELECT 2 AS row")
        assert first.sql("SELECT row FROM predictions").fetchall() == [(1,)]
        assert second.sql("SELECT row FROM predictions").fetchall() == [(2,)]
        assert setting(first, "TimeZone") == setting(second, "TimeZone") == "UTC"
        assert setting(first, "temp_directory") == setting(second, "temp_directory")


def test_what_a_session_has_created_ends_with_it() -> None:
    with one_database():
        with session(QueryLimits()) as first:
            first.execute("CREATE TABLE kept AS SELECT 1 AS row")
        with session(QueryLimits()) as second:
            assert second.sql("SELECT table_name FROM duckdb_tables()").fetchall() == []
            assert second.sql("SELECT count(*) FROM duckdb_databases() WHERE NOT internal").fetchall() == [(2,)]


@pytest.mark.parametrize("limits", [QueryLimits(memory="300MB"), QueryLimits(threads=1)])
def test_other_limits_have_a_database_of_their_own(limits: QueryLimits) -> None:
    with one_database(), session(limits) as other, session(QueryLimits()) as usual:
        differs = [setting(other, name) != setting(usual, name) for name in ("memory_limit", "temp_directory")]
        assert differs == [limits.threads is None, True]
        assert limits.threads is None or setting(other, "threads") == limits.threads


def test_its_temporary_folder_ends_with_it_after_a_query_that_failed() -> None:
    with pytest.raises(duckdb.Error), one_database(), session(QueryLimits()) as connection:
        folder = Path(str(setting(connection, "temp_directory")))
        assert folder.is_dir()
        connection.execute("SELECT error('no')")
    assert not folder.exists()
    with session(QueryLimits()) as later:
        assert setting(later, "temp_directory") != str(folder)
