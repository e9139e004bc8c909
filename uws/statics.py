"""The files of the pages, below ``/static``: compressed where ``make setup`` has put a compressed copy beside them."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FETCHED = "max-age=86400"
"""For what npm fetches: it changes with a version alone."""
OURS = "no-cache"
"""For our own: asked for each time, answered with 304, so that modules of two versions never meet."""


class Statics(StaticFiles):
    """Hands out the files of a folder."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file, or its compressed copy to whoever takes it so."""
        path = Path(full_path)
        packed = path.with_name(f"{path.name}.gz")
        fetched = path.parent.name == "vendor"
        if fetched and "gzip" in Headers(scope=scope).get("accept-encoding", "") and packed.is_file():
            response = super().file_response(packed, packed.stat(), scope, status_code)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        if fetched:
            response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = FETCHED if fetched else OURS
        return response
