"""Databases for tests, each of which can be locked and taken away: SQLite in a file, and PostgreSQL in a server."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy import create_engine, inspect

PASSWORD = "geheim@home"


class Sqlite:
    """A file in a folder of its own, such as one on another machine's disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "gradebook.db"
        # SQLite itself hardly waits: what waits is the course.
        self.url = f"sqlite:///{self.path}?timeout=0.1"
        folder.mkdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        away = self.folder.rename(self.folder.with_name("away"))
        yield
        away.rename(self.folder)

    def check(self) -> None:
        """Fail where something in it is broken."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []

    def clear(self) -> None:
        self.path.unlink()


class PostgresServer:
    """A server that answers in a socket file only, in a temporary folder that goes with it."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="pytest-postgres-", dir="/tmp"))  # a socket's path must be short
        self.count = 0

    def __enter__(self) -> PostgresServer:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, "nobody")
        options = ["--username=grader", "--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-sync"]
        self._call("initdb", *options)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self._call("pg_ctl", "start", "--wait", f"--log={self.folder / 'log'}", f"--options={options}")

    def stop(self) -> None:
        """As a crash does: connections end where they are."""
        self._call("pg_ctl", "stop", "--wait", "--mode=immediate")

    def database(self) -> Postgres:
        self.count += 1
        return Postgres(self, f"gradebook{self.count}")

    def _call(self, program: str, *arguments: str) -> None:
        """As a user who is not root: the server refuses root."""
        command = [self.programs / program, f"--pgdata={self.folder / 'data'}", *arguments]
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        said = self.folder / "said"
        with said.open("w") as file:  # no pipe: the server would hold it open
            done = subprocess.run(command, stdout=file, stderr=file, cwd=self.folder, **user)
        assert done.returncode == 0, said.read_text()


class Postgres:
    """A new database of a server."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        self.url = f"postgresql+psycopg://grader:{PASSWORD.replace('@', '%40')}@/{name}?host={server.folder}"
        self._administer(f"CREATE DATABASE {name}")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with self._connect(self.name) as connection:
            for table in self._tables():
                connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        self.server.stop()
        yield
        self.server.start()

    def check(self) -> None:
        """Fail where something in it cannot be read."""
        with self._connect(self.name) as connection:
            for table in self._tables():
                connection.execute(f"SELECT * FROM {table}").fetchall()

    def clear(self) -> None:
        self._administer(f"DROP DATABASE {self.name}")
        self._administer(f"CREATE DATABASE {self.name}")

    def _tables(self) -> list[str]:
        engine = create_engine(self.url)
        with contextlib.closing(engine.connect()) as connection:
            tables = inspect(connection).get_table_names()
        engine.dispose()
        return tables

    def _connect(self, name: str, **options) -> psycopg.Connection:
        folder = str(self.server.folder)
        return psycopg.connect(host=folder, user="grader", password=PASSWORD, dbname=name, **options)

    def _administer(self, statement: str) -> None:
        with contextlib.closing(self._connect("postgres", autocommit=True)) as connection:
            connection.execute(statement)


def postgres_programs() -> Path | None:
    """The folder with PostgreSQL's server, which Debian keeps off the PATH; None where it is not installed."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    return found[0].resolve().parent if found else None
