"""Attempts to get more out of a question than an answer from the edition: none succeeds, and whoever asked lives on.

Each is made where a person can make it: what the SQL page calls is tried with all of them, `warehouse sql` with every third (it
calls the same, in a process each). `{secret}` is a CSV file beside the data folder, `{folder}` the version's, `{file}` the
restricted edition, `{outside}` a folder that can be written to.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from psutil import Process

from serving.reader import Reader, query
from serving.sql import current_file
from tests.quality.company import build_gold, settings_of
from tests.serving.test_publish import pass_gates
from warehouse.cli import main
from warehouse.errors import WarehouseError

CANARY = "canary-4711"
MEGABYTES = 150

REFUSED = {
    "read a file": [
        "select * from read_csv('{secret}')",
        "select * from read_csv_auto(['{secret}'])",
        "select * from read_text('{secret}')",
        "select (select content from read_text('{secret}')) as x",
        "with x as (from read_blob('{secret}')) select * from x",
        "select * from read_json('{secret}')",
        "select * from read_ndjson_objects('{secret}')",
        "select * from parquet_scan('{secret}')",
        "select * from parquet_metadata('{secret}')",
        "select * from parquet_kv_metadata('{secret}')",
        "select * from sniff_csv('{secret}')",
        "select * from read_duckdb('{file}', table_name := 'dim_customers')",
        "select * from read_blob('{file}')",
        "select * from '{secret}'",
        'select * from "{secret}"',
        "from '{file}'",
        "describe select * from '{secret}'",
        "summarize '{secret}'",
        "explain select * from read_csv('{secret}')",
        "explain analyze select * from '{secret}'",
        "select * from gold.dim_plans positional join '{secret}'",
        "select * from glob('{outside}/*')",
        "select * from query('from read_text(''{secret}'')')",
        "select * from query_table('{secret}')",
        "select * from query_table(['{secret}'])",
        "select * from json_execute_serialized_sql(json_serialize_sql('from read_text(''{secret}'')'))",
        "attach '{file}' as other (read_only)",
        "attach '{secret}' (type sqlite)",
        "copy gold.dim_plans from '{secret}'",
        "import database '{outside}'",
        "select * from '/proc/self/environ'",
        "select * from read_text('/dev/stdin')",
    ],
    "reach the network": [
        "select * from 'http://127.0.0.1:9/x.csv'",
        "select * from read_parquet('https://example.com/x.parquet')",
        "select * from read_csv('s3://bucket/x.csv')",
        "attach 'https://example.com/x.duckdb' as other",
        "attach 'postgres://127.0.0.1/x' as other (type postgres)",
    ],
    "write": [
        "copy (select 1) to '{outside}/stolen.csv'",
        "copy gold.dim_customers to '{folder}/analyst.duckdb.wal'",
        "copy (select 1) to '{file}.wal' (format csv)",
        "explain analyze copy (select 1) to '{folder}/analyst.duckdb.wal'",
        "/* x */ explain analyze copy (select 1) to '{folder}/analyst.duckdb.wal'",
        "select * from query('copy (select 1) to ''{outside}/x.csv''')",
        "copy from database edition to memory",
        "export database '{outside}/out'",
        "attach '{outside}/new.duckdb' as new",
        "attach ':memory:' as scratch",
        "create table gold.x as select 1",
        "create temp table x as select 1",
        "create table memory.main.x as select 1",
        "create view gold.x as select 1",
        "create macro leak() as 1",
        "create schema x",
        "create secret (type s3, key_id 'a', secret 'b')",
        "insert into gold.dim_plans select * from gold.dim_plans",
        "update gold.dim_customers set mrr = 1",
        "delete from gold.dim_customers",
        "truncate gold.dim_customers",
        "merge into gold.dim_plans using gold.dim_plans as p on true when matched then delete",
        "alter table gold.dim_plans add column x integer",
        "comment on table gold.dim_plans is 'x'",
        "drop table gold.dim_plans",
        "detach edition",
        "checkpoint",
        "vacuum",
        "begin",
    ],
    "change a setting": [
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
        "set global threads = 64",
        "set variable x = 1",
        "set session authorization root",
        "reset lock_configuration",
        "reset all",
        "pragma lock_configuration = false",
        "pragma enable_profiling",
        "pragma temp_directory = '{outside}'",
        "call enable_logging(storage := 'file', storage_config := {{'path': '{outside}'}})",
        "select * from enable_logging(storage := 'file', storage_config := {{'path': '{outside}'}})",
        "select * from enable_profiling()",
        "use memory",
    ],
    "load code": [
        "install httpfs",
        "force install httpfs from community",
        "load httpfs",
        "load '{secret}'",
        "update extensions",
        "select * from st_read('{secret}')",
        "select * from python_map_function((select 1))",
        "select * from arrow_scan(1, 2, 3)",
        "select * from pandas_scan(94112233)",
    ],
    "see the environment and secrets": [
        "select getenv('STRIPE_API_KEY')",
        "select * from duckdb_secrets()",
        "select * from which_secret('s3://x', 's3')",
        "select * from duckdb_extension_repositories()",
        "select * from duckdb_extensions()",
        "select * from secret_of_the_caller",
        "select * from settings",
    ],
    "ask more than one thing": [
        "select 1; drop table gold.dim_plans",
        "select 1; copy (select 1) to '{outside}/x.csv'",
        "select 1 -- \n; attach '{file}' as other",
        "prepare x as select 1",
        "execute x",
        "call pragma_version(); select 1",
        "",
        "-- nothing",
        "nonsense",
    ],
}  # fmt: skip

# Answered, since looking around is allowed: what they tell is the edition's own.
HARMLESS = [
    "select * from duckdb_settings()",
    "select * from duckdb_databases()",
    "select * from duckdb_variables()",
    "select * from duckdb_logs()",
    "select * from duckdb_temporary_files()",
    "select * from duckdb_external_file_cache()",
    "select current_setting('secret_directory'), current_setting('home_directory')",
    "select current_query(), current_user, version()",
    "select write_log('x')",
    "from checkpoint('edition')",
    "from query('select 42')",
    "from pragma_storage_info('gold.dim_plans')",
]

# Each would take gigabytes, or never end.
ENDLESS = [
    "select count(*) from range(1000000) as a, range(1000000) as b, range(1000000) as c",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
    "select levenshtein(repeat('ab', 500000), repeat('ba', 500000))",
    "select sum(sqrt(range)) from generate_series(1, 100000000000) as t(range)",
]
GREEDY = [
    "select len(range(500000000))",
    "select list_aggregate(range(1000000000), 'sum')",
    "select unnest(range(1000000000))",
    "select repeat('x', 2000000000)",
    "select repeat('x', 1000000) as s from range(100000)",
    "select lpad('x', 2000000000, 'y')",
    "select printf('%2000000000d', 1)",
    "select list_resize([1::bigint], 3000000000)",
    "select map(range(50000000), range(50000000))",
    "select string_agg(repeat('x', 1000), '') from range(100000000)",
    "select len(list(range)) from range(1000000000)",
    "select array_agg(range) over () from range(100000)",
    "select count(*) from (select distinct md5(range::varchar) from range(20000000))",
    "select * from range(100000000) order by hash(range) desc",
    "with recursive t(n, s) as (select 1, 'x' union all select n + 1, s || s from t) select max(len(s)) from t",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    from serving.publish import publish

    outside = tmp_path_factory.mktemp("outside")
    settings = settings_of(
        outside / "home", stripe_api_key=CANARY, sql_memory_limit=f"{MEGABYTES}MB", sql_seconds=1.0
    )
    build_gold(settings)
    pass_gates(settings)
    folder = publish(settings).path
    secret = outside / "secret.csv"
    secret.write_text(f"a,b\n{CANARY},1\n")
    names = {"secret": secret, "outside": outside, "folder": folder, "file": folder / "restricted.duckdb"}  # fmt: skip
    return SimpleNamespace(settings=settings, outside=outside, folder=folder, names=names)


@pytest.fixture(scope="module")
def reader(place):
    with Reader(place.settings, current_file(place.settings, "analyst")) as reader:
        yield reader


@pytest.fixture
def page(reader):
    """What the SQL page calls; tells whether there was an answer, and what was said."""

    def ask(statement):
        secret_of_the_caller = [CANARY]
        assert secret_of_the_caller
        try:
            return True, str(reader.ask(statement))
        except WarehouseError as error:
            return False, error.message

    return ask


@pytest.fixture
def command(place, monkeypatch, capsys):
    """`warehouse sql`; tells the same."""
    monkeypatch.chdir(place.outside)
    for name, value in place.settings.environment().items():
        monkeypatch.setenv(name, value)

    def ask(statement):
        words = ["warehouse", "sql", "--edition", "analyst", "--format", "json", "--", statement]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        # one line says what is wrong, another what to do
        assert said.err.count("\n") <= 2, said.err
        assert "not foreseen" not in said.err
        return ended.value.code == 0, said.out + said.err

    return ask


def everything(folder):
    """Every file below a folder, with its content's hash."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def got_through(ask, place, attempts):
    """The attempts that were answered, or told what is nobody's business."""
    said = {attempt: ask(attempt.format(**place.names)) for attempt in attempts}
    return {
        attempt: (answered, text)
        for attempt, (answered, text) in said.items()
        if answered or CANARY in text
    }


@pytest.mark.parametrize("what", REFUSED)
def test_attempts_are_refused_and_leave_no_trace(place, page, command, what):
    before = everything(place.outside)
    assert not got_through(page, place, REFUSED[what])
    assert not got_through(command, place, REFUSED[what][::3])
    assert everything(place.outside) == before


def test_there_are_enough_attempts():
    assert sum(len(attempts[::3]) for attempts in REFUSED.values()) >= 30


def test_looking_around_shows_no_key_no_person_and_no_other_file(place, page):
    for attempt in HARMLESS:
        answered, said = page(attempt)
        assert answered, said
        assert CANARY not in said
        assert place.settings.pseudonym_key not in said
        assert str(Path.home()) not in said
        others = said.replace(str(place.folder / "analyst.duckdb"), "")
        assert str(place.outside) not in others, attempt


@pytest.mark.parametrize("attempt", ENDLESS)
def test_what_never_ends_is_ended(page, attempt):
    answered, said = page(attempt)
    assert not answered
    assert "ran longer than 1 s" in said
    assert page("select 1")[0]


# Run apart, so that what is measured is theirs alone.
_MEASURED = """
import re, resource, sys
from pathlib import Path
from serving.reader import query
from warehouse.errors import WarehouseError
from warehouse.settings import load_settings
settings = load_settings()
for statement in Path(sys.argv[1]).read_text().splitlines():
    try:
        rows = len(query(settings, statement).rows)
        print(f"got {rows} rows of: {statement}")
    except WarehouseError as error:
        print("refused")
print(query(settings, "select count(*) from gold.dim_customers").rows)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_what_wants_gigabytes_gets_its_limit_and_whoever_asked_lives_on(place, tmp_path):
    (tmp_path / "greedy.sql").write_text("\n".join(GREEDY))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(tmp_path / "greedy.sql")],
        env={**os.environ, **place.settings.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    # the highest that each held in memory, in MB
    *outcomes, alive, of_readers, of_asker = done.stdout.splitlines()
    assert outcomes == ["refused"] * len(GREEDY)
    assert alive == "[(3,)]"
    # beside DuckDB's limit: what Python and DuckDB themselves take, and the allowance for an answer
    assert int(of_readers) < MEGABYTES + 256 + 100
    assert int(of_asker) < 150


def test_the_command_line_says_which_limit_was_broken(command):
    answered, said = command(GREEDY[0])
    assert not answered
    assert "needs more than 143.0 MiB of memory" in said
    assert "ran longer than 1 s" in command(ENDLESS[2])[1]


def test_an_answer_is_cut_at_the_limit_of_rows_and_refused_above_that_of_bytes(place):
    endless = "select * from generate_series(1, 100000000000)"
    answer = query(place.settings, endless, limit=1000)
    assert (len(answer.rows), answer.is_truncated) == (1000, True)
    roomy = place.settings.over(sql_memory_limit="1GB", sql_seconds=30.0)
    with pytest.raises(WarehouseError, match="larger than 64 MB"):
        query(roomy, "select repeat('x', 1000) from range(100000)")


def test_a_reader_answers_on_after_it_was_killed(place):
    with Reader(place.settings, current_file(place.settings, "analyst")) as reader:
        for _ in range(2):
            with pytest.raises(WarehouseError, match="ran longer"):
                reader.ask(ENDLESS[2], seconds=0.2)
            assert reader.ask("select 1").rows == [(1,)]


def test_no_process_is_left(place):
    query(place.settings, "select 1")
    with pytest.raises(WarehouseError):
        query(place.settings, GREEDY[0])
    of_ours = [child for child in Process().children() if "serving.reader" in child.cmdline()]
    # the fixture's own is at work
    assert len(of_ours) <= 1


def test_even_a_statement_that_got_through_could_write_nothing(place):
    """The system itself refuses every byte in a file, whatever DuckDB would allow."""
    target = place.outside / "x.csv"
    program = (
        "from serving.reader import _confine; from warehouse import duck\n"
        "con = duck.connect(':memory:', memory_limit='100MB'); _confine(con)\n"
        f"con.execute(\"copy (select 1) to '{target}'\")"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "File too large" in done.stderr
    assert not target.exists() or target.stat().st_size == 0
