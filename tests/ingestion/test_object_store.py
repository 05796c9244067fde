"""Usage logs in an S3-compatible store: each object once, changed ones again, unfinished ones later; and its faults.

The store is moto's server, a process of our own on this machine.
"""

from __future__ import annotations

import gzip
import socket
import subprocess
import sys
import time
from datetime import date

import boto3
import pytest
import requests

from ingestion import runner
from ingestion.files import sift
from tests.ingestion.test_files import Usage, calls
from warehouse.errors import IncompleteLoad, WarehouseError


@pytest.fixture(scope="module")
def address():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            try:
                requests.get(found, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield found
    finally:
        server.terminate()
        server.wait(10)


class Bucket(Usage):
    """A bucket of usage logs, as `Usage` is a folder of them."""

    def __init__(self, settings, store):
        self.store = store
        self.settings = settings.over(usage_location="s3://acme-logs/usage")

    def put(self, name, data):
        self.store.put_object(Bucket="acme-logs", Key=f"usage/{name}", Body=data)


@pytest.fixture
def bucket(settings, address, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "canary-9f3",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{address}/moto-api/reset", timeout=10)
    store = boto3.client("s3")
    store.create_bucket(Bucket="acme-logs")
    return Bucket(settings, store)


def test_an_object_is_taken_once_also_under_another_name(bucket):
    data = calls(5).encode()
    bucket.put("2025-06-01.jsonl", data)
    bucket.put("2025/06/02/api-7.jsonl.gz", gzip.compress(calls(3, 10).encode()))
    bucket.store.put_object(
        Bucket="acme-logs", Key="other/2025-06-01.jsonl", Body=calls(9, 90).encode()
    )
    assert bucket.sync().rows == 8
    bucket.put("2025-06-01.again.jsonl", data)
    bucket.put("2025-06-01.jsonl", data)  # written again, not changed
    assert bucket.sync().rows == 0
    assert bucket.ids() == sorted([f"r{n}" for n in range(5)] + [f"r{n}" for n in range(10, 13)])
    assert bucket.query("select name, same_as, day::text from landing.files order by name") == [
        ("2025-06-01.again.jsonl", "2025-06-01.jsonl", "2025-06-01"),
        ("2025-06-01.jsonl", None, "2025-06-01"),
        ("2025/06/02/api-7.jsonl.gz", None, "2025-06-02"),
    ]
    assert not list(bucket.settings.spool_dir.iterdir())


def test_a_key_that_climbs_stays_a_name(bucket):
    """Objects are copied to the spool under a number: nothing is written outside of it, whatever they are called."""
    bucket.put("2025-06-01.jsonl", calls(2).encode())
    bucket.put("../../../2025-06-02.jsonl", calls(3, 10).encode())
    assert bucket.sync().rows == 5
    names = bucket.query("select name, day::text from landing.files order by name")
    assert names == [
        ("../../../2025-06-02.jsonl", "2025-06-02"),
        ("2025-06-01.jsonl", "2025-06-01"),
    ]
    assert not [path for path in bucket.settings.home.parent.rglob("*") if path.suffix == ".jsonl"]


def test_keys_that_differ_by_a_slash_are_two_files(bucket):
    bucket.put("2025-06-01.jsonl", calls(2).encode())
    bucket.put("/2025-06-01.jsonl", calls(3, 10).encode())
    assert bucket.sync().rows == 5
    assert bucket.sync().rows == 0


def test_a_changed_object_lands_again_in_place_of_what_it_was(bucket):
    bucket.put("2025-06-01.jsonl", calls(5).encode())
    bucket.put("2025-06-02.jsonl", calls(2, 50).encode())
    bucket.sync()
    bucket.put("2025-06-01.jsonl", calls(4, 1).encode())
    assert bucket.sync().rows == 4
    assert bucket.ids() == ["r1", "r2", "r3", "r4", "r50", "r51"]


def test_an_object_that_is_still_being_written_waits(bucket, monkeypatch):
    bucket.put("2025-06-01.jsonl.part", calls(9).encode())
    whole = gzip.compress(calls(2000).encode())
    bucket.put("2025-06-02.jsonl.gz", whole[:-200])
    result = bucket.sync()
    assert result.rows == 0
    assert result.warnings == (
        "2025-06-02.jsonl.gz is still being written; it is taken by a later sync",
    )
    monkeypatch.setattr(sift, "YOUNG_SECONDS", 0)  # a minute later it is no longer young
    with pytest.raises(IncompleteLoad, match=r"2025-06-02\.jsonl\.gz is cut off"):
        bucket.sync()
    bucket.put("2025-06-02.jsonl.gz", whole)
    assert bucket.sync().rows == 2000


def test_an_upload_in_parts_is_not_there_before_it_is_whole(bucket):
    key = {"Bucket": "acme-logs", "Key": "usage/2025-06-01.jsonl"}
    upload = bucket.store.create_multipart_upload(**key)["UploadId"]
    part = bucket.store.upload_part(**key, UploadId=upload, PartNumber=1, Body=calls(3).encode())
    assert bucket.sync().rows == 0
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    bucket.store.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
    assert bucket.sync().rows == 3


def test_a_window_reads_its_days_again(bucket):
    for day in (1, 2):
        bucket.put(f"2025-06-0{day}.jsonl", calls(3, day * 10).encode())
    bucket.sync()
    first = "select _load_id from raw_usage.api_calls where _file like '2025-06-01%'"
    before = bucket.query(first)
    assert bucket.sync(window=(date(2025, 6, 2), date(2025, 6, 2))).rows == 3
    assert bucket.query(first) == before
    assert len(bucket.rows()) == 6


def test_a_store_that_refuses_is_one_clear_line(bucket, address):
    settings = bucket.settings.over(usage_location="s3://no-such-bucket/usage")
    with pytest.raises(
        WarehouseError, match="can't list s3://no-such-bucket/usage: FileNotFoundError"
    ) as error:
        runner.sync("usage", settings)
    assert "canary" not in str(error.value)


def test_check_tells_what_is_there(bucket):
    bucket.put("2025-06-01.jsonl", calls(1).encode())
    assert runner.source_check("usage", bucket.settings) == "1 files of api_calls"
