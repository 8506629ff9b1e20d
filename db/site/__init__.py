"""The Datasette plugin: what the site adds to Datasette 0.65. Only hooks here; reads, pages and marks have files of their own.

Never writes, loads nothing from other hosts, and escapes everything that came from a page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from datasette import hookimpl
from datasette.utils.asgi import Response
from jinja2 import ChoiceLoader, Environment, FileSystemLoader

from db.feed import atom
from db.site import cells, pages
from db.site.errors import error_page
from db.site.security import Application, with_security_headers


async def changes_feed(request: Any, datasette: Any) -> Any:
    """What changed, as Atom."""

    def absolute(path: str) -> str:
        return str(datasette.absolute_url(request, datasette.urls.path(path)))

    body = await pages.read(datasette, lambda connection: atom(connection, absolute=absolute))
    return Response(body.decode(), content_type="application/atom+xml; charset=utf-8")


@hookimpl  # type: ignore[untyped-decorator]
def register_routes() -> Sequence[tuple[str, Callable[..., Any]]]:
    """The pages, and the feed."""
    return [*pages.ROUTES, (r"^/-/changes\.atom$", changes_feed)]


@hookimpl  # type: ignore[untyped-decorator]
def prepare_jinja2_environment(env: Environment, datasette: Any) -> None:
    """Filters and names of our templates, the page of an error included (it gets no other variables of plugins).

    Puts our templates before those of all plugins: datasette-dashboards' own page runs inline scripts and writes values
    into the page as HTML, ours does neither."""
    env.filters.update(pages.FILTERS)
    env.globals.update(
        dw_static=lambda file: static(datasette, file),
        dw_table=lambda name: datasette.urls.path(f"/{pages.database_of(datasette).name}/{name}"),
        dw_title=str((datasette.metadata() or {}).get("title") or "Debatewatch"),
    )
    loaders = [FileSystemLoader(Path(__file__).parent / "templates")]
    env.loader = ChoiceLoader([*loaders, env.loader] if env.loader else loaders)


@hookimpl  # type: ignore[untyped-decorator]
def extra_template_vars(template: str, datasette: Any) -> Callable[[], Awaitable[dict[str, Any]]] | None:
    """What the front page shows."""
    if template != "index.html":
        return None

    async def variables() -> dict[str, Any]:
        return {"home": await pages.home_variables(datasette)}

    return variables


def static(datasette: Any, file: str) -> str:
    """Address of one of our static files. Datasette names a plugin after its package when it comes by entry point, after its
    module otherwise."""
    # Not at the top: datasette.plugins imports this module while it is itself being imported.
    from datasette.plugins import get_plugins

    folder = str(Path(__file__).parent / "static")
    name = next(plugin["name"] for plugin in get_plugins() if plugin["static_path"] == folder)
    return str(datasette.urls.static_plugins(name, file))


@hookimpl(tryfirst=True)  # type: ignore[untyped-decorator]
def render_cell(row: Any, value: Any, column: str, table: str | None, database: str, datasette: Any) -> Any:
    """Evidence, sides, dates and addresses in Datasette's own tables."""
    if database != pages.database_of(datasette).name:
        return None
    return cells.render(row, value, column, table, datasette.urls.path)


@hookimpl(trylast=True)  # type: ignore[untyped-decorator]
def asgi_wrapper() -> Callable[[Application], Application]:
    """Security headers on every response."""
    return with_security_headers


@hookimpl(wrapper=True)  # type: ignore[untyped-decorator]
def handle_exception(datasette: Any, request: Any, exception: Exception) -> Generator[None, list[Any], list[Any]]:
    """One line for the visitor, and a traceback in the log only where the program is at fault.

    Datasette asks all handlers and takes the first answer, so that its own would print even where another answers: it is
    taken out.
    """
    others = yield

    async def answer() -> Any:
        return await error_page(request, datasette, exception)

    return [other for other in others if getattr(other, "__module__", "") != "datasette.handle_exception"] + [answer]
