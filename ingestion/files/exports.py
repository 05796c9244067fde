"""An HTTP export API as a store of files: what it has, page by page, and one file at a time.

The API (documented in `ingestion/sources/usage/README.md`) lists `{"files": [{"name", "size", "sha256", "updated_at"}],
"next": cursor or null}`, and has each file under its name below the same address. Requests that are refused for their
rate or fail on the way are repeated; a page or a file that is not what it claims to be is an error, never less data.

Reads: the API. Writes: the files it is told to. Run: imported by `ingestion.files.locate`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from warehouse.errors import CallError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRIES = 6
SECONDS_TO_CONNECT, SECONDS_TO_READ = 10, 60
PAGES = 100_000  # no API has more: it repeats itself
_CHUNK = 1 << 20


class ExportApi:
    """One export API. Errors are `OSError`, as a file system's are.

    Args:
        address: Where its list is; https, or http on this machine.
        token: Sent as a bearer token; to no other host, as redirects are not followed.

    Raises:
        CallError: The address is not allowed.
    """

    def __init__(self, address: str, token: str | None) -> None:
        parts = urlsplit(address)
        is_local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if (
            not (is_local or parts.scheme == "https")
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise CallError(
                f"{parts.scheme}://{parts.hostname} is no address for an export API",
                "use https://host/path, or http on this machine; the token has a setting of its own",
            )
        self.address = address.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would take the place of the token
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"
        retry = Retry(
            TRIES,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            redirect=False,
            raise_on_status=False,
        )
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def list(self) -> Iterator[dict[str, Any]]:
        """All files it has: name, size (bytes), sha256, updated_at (aware datetime)."""
        cursor, seen = None, set()
        for _ in range(PAGES):
            with self._get(self.address, {"cursor": cursor} if cursor else {}) as answer:
                try:
                    page = answer.json()
                    for entry in page["files"]:
                        yield {
                            "name": str(entry["name"]),
                            "size": int(entry["size"]),
                            "sha256": str(entry["sha256"]).lower(),
                            "updated_at": datetime.fromisoformat(entry["updated_at"]),
                        }
                    cursor = page["next"]
                except (ValueError, KeyError, TypeError) as error:
                    raise OSError(
                        f"{self.address}: the answer is no list of files ({type(error).__name__}: {error})"
                    ) from None
            if not cursor:
                return
            if cursor in seen:
                break
            seen.add(cursor)
        raise OSError(
            f"{self.address}: the list has no end, cursor {str(cursor)[:60]!r} came again"
        )

    def get_file(self, entry: dict[str, Any], target: str) -> None:
        """Fetch a file, whole and as it was listed."""
        name = entry["name"]
        if {".", ".."} & set(
            name.split("/")
        ):  # the request would go to another address of the host
            raise OSError("its name leads out of the API's address")
        digest, size = hashlib.sha256(), 0
        with (
            self._get(f"{self.address}/{quote(name)}", {}) as answer,
            Path(target).open("wb") as file,
        ):
            try:
                for chunk in answer.iter_content(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            except requests.RequestException as error:
                raise OSError(f"the download broke off: {type(error).__name__}") from None
        if (size, digest.hexdigest()) != (entry["size"], entry["sha256"]):
            raise OSError(
                f"{size:,} bytes came that are not the {entry['size']:,} listed; sync again"
            )

    def _get(self, address: str, params: dict[str, Any]) -> requests.Response:
        try:
            answer = self._session.get(
                address,
                params=params,
                timeout=(SECONDS_TO_CONNECT, SECONDS_TO_READ),
                stream=True,
                allow_redirects=False,
                headers={"Accept-Encoding": "identity"},  # a .gz stays packed
            )
        except requests.RequestException as error:
            raise OSError(f"{address}: {type(error).__name__}") from None
        if answer.status_code != requests.codes.ok:
            answer.close()
            raise OSError(f"{address} answered {answer.status_code} {answer.reason}")
        return answer
