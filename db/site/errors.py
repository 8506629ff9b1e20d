"""Pages for what went wrong. Datasette's own way prints a traceback with all its variables for every page that is not there."""

from __future__ import annotations

import logging
from typing import Any

from datasette.utils.asgi import Base400, Response
from markupsafe import Markup

log = logging.getLogger("debatewatch.site")


async def error_page(request: Any, datasette: Any, exception: Exception) -> Any:
    """A page (or JSON) with one line. What is not the visitor's doing goes into the log, and not into the page."""
    info: dict[str, Any] = {}
    title = None
    if isinstance(exception, Base400):
        status, message = exception.status, exception.args[0]
    elif isinstance(getattr(exception, "error_dict", None), dict):  # datasette.views.base.DatasetteError
        status, info, title = exception.status, exception.error_dict, exception.title  # type: ignore[attr-defined]
        message = exception.message  # type: ignore[attr-defined]
        if exception.message_is_html:  # type: ignore[attr-defined]
            message = Markup(message)  # noqa: S704 (written by Datasette, which escaped the query in it)
    else:
        status, message = 500, "This page could not be made; the log of the server says why"
        log.error("%s", request.path, exc_info=exception)
    found = {**info, "ok": False, "error": message, "status": status, "title": title}
    if request.path.split("?")[0].endswith(".json"):
        return Response.json(found, status=status)
    template = datasette.jinja_env.select_template([f"{status}.html", "error.html"])
    variables = {**found, "urls": datasette.urls, "app_css_hash": datasette.app_css_hash(), "menu_links": list}
    return Response.html(await template.render_async(variables), status=status)
