"""Usage logs from an HTTP export API: what files promise holds here too, and every way an API can be wrong is told."""

from __future__ import annotations

import gzip
import hashlib
import threading
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ingestion import runner
from ingestion.destination.opening import opened
from ingestion.files import exports
from sandbox import usage_api
from tests.ingestion.test_files import Usage, calls
from warehouse.errors import CallError, IncompleteLoad, WarehouseError


@contextmanager
def served(app):
    """The address of an application that runs in a thread of ours."""
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/exports"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def usage(settings, tmp_path):
    """The folder behind the sandbox's API, and syncs from that API."""
    folder = tmp_path / "usage"
    folder.mkdir()
    found = Usage(settings, folder)
    with served(usage_api.create_app(folder, page=2, limit_every=4)) as address:
        found.settings = settings.over(usage_location=address, usage_token=usage_api.TOKEN)
        yield found


def test_new_late_repeated_and_changed_files(usage):
    for day in range(1, 6):
        usage.put(f"2025-06-0{day}.jsonl.gz", gzip.compress(calls(3, day * 10).encode()))
    assert usage.sync().rows == 15  # three pages, with requests refused in between
    usage.put("2025-06-03.late-1.jsonl.gz", gzip.compress(calls(2, 90).encode()))
    usage.put("2025-06-02.again.jsonl.gz", (usage.folder / "2025-06-02.jsonl.gz").read_bytes())
    usage.put("2025-06-01.jsonl.gz", gzip.compress(calls(1, 10).encode()))
    result = usage.sync()
    assert result.rows == 3
    assert str(result.complete_through) == "2025-06-06 00:00:00+00:00"
    expected = [10, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 90, 91]
    assert usage.ids() == sorted(f"r{n}" for n in expected)
    assert usage.sync().rows == 0
    assert runner.source_check("usage", usage.settings) == "7 files of api_calls"


def test_a_wrong_token_is_one_clear_line_and_is_found_nowhere(usage):
    usage.put("2025-06-01.jsonl", calls(1).encode())
    settings = usage.settings.over(usage_token="canary-9f3")
    with pytest.raises(WarehouseError, match="/v1/exports answered 401 Unauthorized") as error:
        runner.sync("usage", settings)
    assert "canary" not in str(error.value)
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"canary" in path.read_bytes()]


def listing(*entries, following=None):
    return JSONResponse({"files": list(entries), "next": following})


def entry(name, data):
    return {
        "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "updated_at": "2025-06-02T00:00:00Z",
    }  # fmt: skip


WRONG_LISTS = {
    "HTML with status 200": (HTMLResponse("<p>Please log in</p>"), "is no list of files"),
    "a list without its end": (JSONResponse({"files": []}), "is no list of files .KeyError: 'next'"),
    "a file without its hash": (listing({"name": "a.jsonl", "size": 1}), "is no list of files .KeyError"),
    "an endless cursor": (listing(following="more"), "the list has no end, cursor 'more' came again"),
    "another host": (RedirectResponse("http://example.com/"), "answered 307"),
    "forbidden": (JSONResponse({}, 403), "answered 403 Forbidden"),
    "always busy": (JSONResponse({}, 429, {"Retry-After": "0"}), "answered 429 Too Many Requests"),
    "down": (JSONResponse({}, 503), "answered 503 Service Unavailable"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_LISTS)
def test_a_list_that_is_wrong_lands_nothing_and_says_why(settings, monkeypatch, case):
    monkeypatch.setattr(exports, "TRIES", 1)
    answer, words = WRONG_LISTS[case]
    app = Starlette(routes=[Route("/v1/exports", lambda _: answer)])
    with served(app) as address, pytest.raises(WarehouseError, match=words):
        runner.sync("usage", settings.over(usage_location=address))


def test_a_file_that_is_not_what_was_listed_is_left_out_by_name(settings):
    good, other = calls(2).encode(), calls(2, 50).encode()
    bodies = {"2025-06-01.jsonl": good, "2025-06-02.jsonl": other[:-9]}

    async def file(request):
        return Response(bodies[request.path_params["name"]])

    whole = listing(entry("2025-06-01.jsonl", good), entry("2025-06-02.jsonl", other))
    routes = [Route("/v1/exports", lambda _: whole), Route("/v1/exports/{name}", file)]
    with served(Starlette(routes=routes)) as address:
        settings = settings.over(usage_location=address)
        with pytest.raises(
            IncompleteLoad, match=r"2025-06-02\.jsonl can't be read: .* bytes came that are not the"
        ):
            runner.sync("usage", settings)
        bodies["2025-06-02.jsonl"] = other
        assert runner.sync("usage", settings).rows == 2


def test_a_file_that_two_pages_name_lands_once_as_the_later_one_says(settings):
    """A file that was written anew between the two requests moves to the list's end."""
    name, before, now = "2025-06-01.jsonl", calls(2).encode(), calls(5).encode()
    pages = {
        None: listing(entry(name, before), following="2"),
        "2": listing(entry(name, now), entry("2025-06-02.jsonl", before)),
    }

    async def file(request):
        return Response(now if request.path_params["name"] == name else before)

    async def listed(request):
        return pages[request.query_params.get("cursor")]

    routes = [Route("/v1/exports", listed), Route("/v1/exports/{name}", file)]
    with served(Starlette(routes=routes)) as address:
        settings = settings.over(usage_location=address)
        assert runner.sync("usage", settings).rows == 7
        assert runner.sync("usage", settings).rows == 0


@pytest.mark.parametrize(
    "name", ["../../2025-06-02.jsonl", "a/./2025-06-02.jsonl", "/../2025-06-02.jsonl"]
)
def test_a_name_that_leads_elsewhere_is_never_asked_for(settings, name):
    good, asked = calls(2).encode(), []

    async def anything(request):
        asked.append(request.url.path)
        if request.url.path == "/v1/exports":
            return listing(entry("2025-06-01.jsonl", good), entry(name, good + good))
        return Response(good if request.url.path == "/v1/exports/2025-06-01.jsonl" else good + good)

    with served(Starlette(routes=[Route("/{path:path}", anything)])) as address:
        settings = settings.over(usage_location=address)
        before = set(settings.home.parent.rglob("*"))
        with pytest.raises(
            IncompleteLoad, match="its name leads out of the API's address"
        ) as error:
            runner.sync("usage", settings)
    assert name in error.value.message
    assert set(asked) == {"/v1/exports", "/v1/exports/2025-06-01.jsonl"}
    with opened("usage", settings) as landing:
        assert landing.con.execute("select count(*) from raw_usage.api_calls").fetchall() == [(2,)]
    strange = {path for path in settings.home.parent.rglob("*") if path.name.endswith("jsonl")}
    assert strange <= before


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/exports",
        "https://me:secret@example.com/exports",
        "https://example.com/e?key=secret",
    ],
)
def test_addresses_that_would_show_the_token_are_refused(settings, address):
    with pytest.raises(CallError, match="no address for an export API") as error:
        runner.sync("usage", settings.over(usage_location=address))
    assert "secret" not in error.value.message
