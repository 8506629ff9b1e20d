"""Serves a database with Datasette, read-only. Never writes, and prints nothing: the caller is told the address.

The file may be written by a crawl while it is served, so it is opened `mode=ro` and not as immutable (Datasette would then keep
its first counts for ever, and SQLite may return wrong rows: https://www.sqlite.org/uri.html#uriimmutable).
"""

from __future__ import annotations

import errno
import signal
import socket
import sqlite3
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from datasette.app import Datasette
from datasette.database import Database
from datasette.plugins import pm

import db.site
from db.models import InputError, StoreError
from db.queries import open_read

DATABASE = "debatewatch"
"""What the database is called in addresses and in metadata.yml, whatever the file is called."""

SETTINGS: dict[str, Any] = {
    "sql_time_limit_ms": 2000,
    "max_returned_rows": 1000,
    # A CSV export may hold more rows than a page, up to this size.
    "allow_csv_stream": True,
    "max_csv_mb": 50,
    # The file holds whole texts of other people: `debatewatch publish` writes the copy that may be handed out.
    "allow_download": False,
    "default_page_size": 50,
    # Suggestions count every column of every table on each view; metadata.yml names the useful facets.
    "suggest_facets": False,
    "default_facet_size": 20,
    "facet_time_limit_ms": 500,
    "truncate_cells_html": 500,
    "num_sql_threads": 4,
}
_TRIED_PORTS = 100


class _ReadOnlyDatabase(Database):  # type: ignore[misc]
    """Datasette's, but for paths with ?, # and %, and for connections that cannot write, whoever asks."""

    def connect(self, write: bool = False) -> sqlite3.Connection:
        if write:
            raise StoreError(f"{self.path}: is served read-only")
        uri = f"file:{quote(str(self.path))}?mode=ro"
        # isolation_level: Python would open a transaction before a write, and leave it open when the write is refused.
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=10, isolation_level=None)
        connection.execute("PRAGMA query_only = 1")
        self._all_file_connections.append(connection)
        return connection


def shipped_metadata() -> Path:
    """The metadata.yml that ships with the program: beside the packages in a checkout, inside db/ in a wheel."""
    inside = Path(__file__).with_name("metadata.yml")
    return inside if inside.exists() else Path(__file__).parents[1] / "metadata.yml"


def load_metadata(path: Path | None) -> dict[str, Any]:
    """Metadata from a file (YAML or JSON); without one, metadata.yml of the folder this runs in, else the shipped one.

    Raises InputError with the file and the mend.
    """
    import yaml

    here = Path("metadata.yml")
    path = path or (here if here.is_file() else shipped_metadata())
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name another file with --metadata") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML ({error}); compare it with {shipped_metadata()}") from error
    if found is not None and not isinstance(found, dict):
        raise InputError(f"{path}: should be a table of names and values, as in {shipped_metadata()}")
    return found or {}


def build(db_path: Path | str, *, metadata: Path | None = None, **settings: Any) -> Datasette:
    """Datasette over one database, called "debatewatch", with the site's pages. `settings` replace those in SETTINGS.

    Raises StoreError when the file is no Debatewatch database, InputError for metadata that cannot be read.
    """
    path = Path(db_path).absolute()
    with open_read(path):
        pass
    described = load_metadata(metadata)
    # The installed program registers its pages through an entry point; a checkout that is not installed does not.
    if not pm.is_registered(db.site):
        pm.register(db.site, name="debatewatch")
    datasette = Datasette(metadata=described, settings={**SETTINGS, **settings})
    datasette.add_database(_ReadOnlyDatabase(datasette, path=str(path), is_mutable=True), name=DATABASE)
    # Without files Datasette adds an empty database in memory, which nobody needs to see.
    if "_memory" in datasette.databases:
        datasette.remove_database("_memory")
    return datasette


def free_port(host: str, wanted: int) -> int:
    """The first port from `wanted` on that nobody listens on. Raises InputError when the next hundred are taken."""
    with closing(_listen(host, wanted, strict=False)) as listening:
        return int(listening.getsockname()[1])


def serve(
    db_path: Path | str,
    host: str = "127.0.0.1",
    port: int = 8001,
    *,
    strict_port: bool = False,
    metadata: Path | None = None,
    open_browser: bool = False,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM, then returns. A taken port means the next free one, unless `strict_port`.

    `on_ready` is called with the address once it answers. Raises StoreError, or InputError for metadata, host or port.
    """
    import uvicorn

    listening = _listen(host, port, strict=strict_port)
    try:
        application = build(db_path, metadata=metadata).app()
    except BaseException:
        listening.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listening.getsockname()[1]}/"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                if on_ready is not None:
                    on_ready(url)
                if open_browser:
                    webbrowser.open(url)

    # Nothing on the terminal but what the caller prints; a page that is still being sent gets a few seconds.
    server = Server(uvicorn.Config(application, log_level="error", access_log=False, timeout_graceful_shutdown=3))
    with closing(listening), _quiet_end(server):
        server.run(sockets=[listening])


@contextmanager
def _quiet_end(server: Any) -> Iterator[None]:
    """Signals end the server and nothing else: uvicorn raises them again after its own end, which would look like a crash."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int, *, strict: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for tried in range(port, min(port + (1 if strict else _TRIED_PORTS), 65536)):
        listening = socket.socket(family, socket.SOCK_STREAM)
        # Lets a server be started again at once; on Linux it does not allow two listeners.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, tried))
            listening.listen(128)
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise InputError(f"{host}: cannot listen there ({error.strerror}); try --host 127.0.0.1") from error
        else:
            return listening
    if strict:
        raise InputError(f"port {port} on {host} is taken; name another with --port, or none for the next free one")
    raise InputError(f"no free port from {port} on {host}; name one with --port")
