"""An Airbyte connector that prints what is in a file, so that its own cost is next to nothing.

Standard library only, because the peers' environments import it too.
Reads: `messages.jsonl`. Writes: a program in the scratch folder. Run: imported by the ways to land.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

STREAM = "api_calls"
_TEXT, _INTEGER, _NUMBER = ({"type": kind} for kind in ("string", "integer", "number"))
_SCHEMA = {
    "type": "object",
    "properties": {
        "request_id": _TEXT, "customer_id": _TEXT, "endpoint": _TEXT, "method": _TEXT, "status_code": _INTEGER,
        "response_time_ms": _NUMBER, "bytes_processed": _INTEGER, "feature": _TEXT, "region": _TEXT,
        "timestamp": _TEXT,
    },
}  # fmt: skip


def write(files: Path, scratch: Path) -> Path:
    """Write the program; it answers spec, check, discover and read."""
    stream = {
        "name": STREAM,
        "json_schema": _SCHEMA,
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "source_defined_primary_key": [["request_id"]],
    }
    complete = {"stream_descriptor": {"name": STREAM}, "status": "COMPLETE"}
    trace = {"type": "STREAM_STATUS", "emitted_at": 0, "stream_status": complete}
    program = scratch / "connector"
    program.write_text(
        f"""#!/bin/sh
case $1 in
spec) {_say("SPEC", "spec", {"connectionSpecification": {"type": "object", "properties": {}}})} ;;
check) {_say("CONNECTION_STATUS", "connectionStatus", {"status": "SUCCEEDED"})} ;;
discover) {_say("CATALOG", "catalog", {"streams": [stream]})} ;;
read) cat {shlex.quote(str(files / "messages.jsonl"))}; {_say("TRACE", "trace", trace)} ;;
esac
"""
    )
    program.chmod(0o700)
    return program


def _say(kind: str, field: str, content: dict[str, Any]) -> str:
    return f"echo {shlex.quote(json.dumps({'type': kind, field: content}))}"
