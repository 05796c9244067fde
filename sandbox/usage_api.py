"""The API's usage logs over HTTP: a list of export files, page by page, and the files themselves.

Every request needs the bearer token; now and then the answer is 429 with Retry-After.

Reads: `usage/`, listed anew for each request, since `sandbox advance` adds to it.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

TOKEN = "sandbox"  # noqa: S105 - a word, not a secret
PAGE = 100


def create_app(
    folder: Path, *, token: str = TOKEN, page: int = PAGE, limit_every: int = 97
) -> Starlette:
    """The HTTP application.

    Args:
        folder: The files.
        token: What callers must show.
        page: Files a page.
        limit_every: Every so manieth request is answered with 429; 0: never.
    """
    requests = itertools.count(1)

    def refused(request: Request) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return JSONResponse({"error": "unauthorized"}, 401)
        if limit_every and next(requests) % limit_every == 0:
            return JSONResponse({"error": "too many requests"}, 429, {"Retry-After": "1"})
        return None

    def listing(request: Request) -> Response:
        after = request.query_params.get("cursor", "")
        names = sorted(path.name for path in folder.iterdir() if path.name > after)
        files = [_entry(folder / name) for name in names[:page]]
        following = names[page - 1] if len(names) > page else None
        return refused(request) or JSONResponse({"files": files, "next": following})

    def download(request: Request) -> Response:
        path = folder / request.path_params["name"]
        return refused(request) or (
            FileResponse(path, media_type="application/octet-stream")
            if path.parent == folder and path.is_file()
            else JSONResponse({"error": "not found"}, 404)
        )

    return Starlette(routes=[Route("/v1/exports", listing), Route("/v1/exports/{name}", download)])


def _entry(path: Path) -> dict[str, Any]:
    about = path.stat()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    at = datetime.fromtimestamp(about.st_mtime, UTC)
    return {
        "name": path.name,
        "size": about.st_size,
        "sha256": digest,
        "updated_at": at.isoformat(),
    }
