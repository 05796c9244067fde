"""A connector for tests: plays messages from a file, or counts through numbered records from its state.

Config: {"play": "messages.jsonl", "exit": 0, "catalog": [stream, …]} or {"count": {"items": 100}, "page": 10, "stop_after": 35, "bad": [..]}.
"""

import json
import sys
import time
from pathlib import Path

arguments = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=False))
verb = sys.argv[1]
config = json.loads(Path(arguments["--config"]).read_text()) if "--config" in arguments else {}


def say(message):
    print(json.dumps(message, separators=(",", ":")), flush=message["type"] == "STATE")


def status(stream, what):
    say(
        {
            "type": "TRACE",
            "trace": {
                "type": "STREAM_STATUS",
                "emitted_at": 1,
                "stream_status": {"stream_descriptor": {"name": stream}, "status": what},
            },
        }
    )


def discover():
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": ["null", "string"]},
            "n": {"type": ["null", "integer"]},
            "at": {"type": ["null", "string"], "format": "date-time"},
            "price": {"type": ["null", "number"]},
            "on": {"type": ["null", "boolean"]},
        },
    }
    modes = config.get("modes", ["full_refresh", "incremental"])
    if "catalog" in config:
        return {"type": "CATALOG", "catalog": {"streams": config["catalog"]}}
    names = config.get("streams") or list(config.get("count", {"items": 0}))
    return {
        "type": "CATALOG",
        "catalog": {
            "streams": [
                {
                    "name": name,
                    "json_schema": schema,
                    "supported_sync_modes": modes,
                    "source_defined_primary_key": [["id"]],
                }
                for name in names
            ]
        },
    }


def count():
    states = json.loads(Path(arguments["--state"]).read_text()) if "--state" in arguments else []
    start = {
        state["stream"]["stream_descriptor"]["name"]: state["stream"]["stream_state"]["next"]
        for state in states
    }
    page, sent = config.get("page", 10), 0
    for stream, total in config["count"].items():
        status(stream, "STARTED")
        since = 0
        for n in range(start.get(stream, 0), total):
            if sent == config.get("stop_after"):
                say(
                    {
                        "type": "TRACE",
                        "trace": {
                            "type": "ERROR",
                            "emitted_at": 1,
                            "error": {"message": "the source went away"},
                        },
                    }
                )
                sys.exit(1)
            record = {"id": f"{stream}_{n}", "n": n, "at": "2025-01-01T00:00:00Z"}
            if n in config.get("bad", []):
                record["n"] = "many"
            say(
                {
                    "type": "RECORD",
                    "record": {"stream": stream, "data": record, "emitted_at": 1735689600000},
                }
            )
            sent, since = sent + 1, since + 1
            if (n + 1) % page == 0 or n + 1 == total:
                stats = since + config.get("miscount", 0)
                say(
                    {
                        "type": "STATE",
                        "state": {
                            "type": "STREAM",
                            "stream": {
                                "stream_descriptor": {"name": stream},
                                "stream_state": {"next": n + 1},
                            },
                            "sourceStats": {"recordCount": float(stats)},
                        },
                    }
                )
                since = 0
                time.sleep(config.get("pause", 0))
        status(stream, "COMPLETE")


if verb == "spec":
    takes = {name: {"type": "string"} for name in ("window_from", "window_to")}
    pin = {"properties": {"pin": {"type": "string", "airbyte_secret": True}}}
    takes["how"] = {"oneOf": [{"type": "object"}, {"type": "object"} | pin]}
    say(
        {
            "type": "SPEC",
            "spec": {"connectionSpecification": {"type": "object", "properties": takes}},
        }
    )
elif verb == "check":
    say({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}})
elif verb == "discover":
    say(discover())
elif "play" in config:
    if "given" in config:  # keep the state that we are given
        Path(config["given"]).unlink(missing_ok=True)
        if "--state" in arguments:
            Path(config["given"]).write_text(Path(arguments["--state"]).read_text())
    sys.stdout.buffer.write(Path(config["play"]).read_bytes())
    sys.stdout.flush()
    sys.stderr.write(config.get("stderr", ""))
    sys.exit(config.get("exit", 0))
else:
    count()
