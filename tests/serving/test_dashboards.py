"""What the dashboards are made of: one version a run, numbers as people write them, charts that say what isn't over."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from serving.dashboards import charts, customers, edition, formats, parts, server
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import Measure
from serving.dashboards.page import SECTIONS, all_pages
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings, reader_environment

DAY = Measure("day", "Day", formats.DAY)
CALLS = Measure("calls", "Calls")


def publish(settings: Settings, number: int) -> Path:
    """A version whose two tables both say its number, made current; all but the newest two are removed."""
    folder = settings.published_dir / f"v{number:06d}"
    folder.mkdir(parents=True)
    con = duckdb.connect(str(folder / "restricted.duckdb"))
    con.execute(
        f"create schema gold; create table gold.one as select {number} as n; create table gold.two as select {number} as n; "
        "create table gold.kpi_daily as select date '2025-03-31' as day, true as is_complete; "
        "comment on column gold.one.n is 'How often it was  published.'"
    )
    con.close()
    (folder / "manifest.json").write_text(json.dumps({"content_hash": str(number)}))
    fresh = settings.published_dir / ".fresh"
    fresh.symlink_to(folder.name)
    fresh.replace(settings.published_dir / "current")
    if number > 2:
        shutil.rmtree(settings.published_dir / f"v{number - 2:06d}")
    return folder


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings.for_test(tmp_path / "data", memory_limit="200MB", threads=1)


# --- one version -----------------------------------------------------------------------------------------------------


STOPPED = """
insert into gold.kpi_daily values (date '2025-04-01', false);
create table gold.complete_through as from (values ('usage', 'api_calls', timestamp '2025-04-01 22:00'),
    ('support', 'tickets', timestamp '2025-04-02 22:00'), ('support', 'users', null),
    ('stripe', 'events', timestamp '2025-05-02 00:00'), ('stripe', 'mrr_movements', timestamp '2025-05-01 00:00')
) as t(source, stream, complete_through);
create table gold.days as select day::date as day, 10 as calls
    from generate_series(timestamp '2025-03-30', timestamp '2025-04-03', interval 1 day) as t(day);
create table gold.months as select * from (values (date '2025-02-01', 20, true), (date '2025-03-01', 30, true),
    (date '2025-04-01', 4, true), (date '2025-05-01', 0, false)) as t(month_start_on, calls, is_complete);
"""


@pytest.fixture
def stopped(settings) -> Context:
    """A company whose sources stopped within April, on a day in May; in Berlin days end at 22:00 UTC."""
    folder = publish(settings, 1)
    with duckdb.connect(str(folder / "restricted.duckdb")) as con:
        con.execute(STOPPED)
    return Context(settings.over(reporting_timezone="Europe/Berlin"))


@pytest.mark.parametrize(
    ("source", "days"), [(None, 2), ("usage", 3), ("stripe", 5), ("support", 0), ("nothing", 0)]
)
def test_days_after_a_source_stopped_are_partial_and_no_drop(stopped, source, days):
    rows = stopped.course("select * from gold.days order by day", source=source)
    assert rows["is_complete"].tolist() == [True] * days + [False] * (5 - days)


def test_a_month_is_complete_when_its_last_day_is_in_every_source(stopped):
    rows = stopped.course("select * from gold.months order by month_start_on")
    assert rows["is_complete"].tolist() == [True, True, False, False]
    assert stopped.course("select * from gold.months where false").empty
    period = Period(date(2025, 2, 1), date(2025, 4, 1), date.max)
    now, before = parts.last_two_months(
        stopped, "select * from gold.months", period, "month_start_on", "is_complete"
    )
    assert (now["calls"], before["calls"]) == (30, 20)


def test_a_run_keeps_its_version_even_when_that_is_gone_and_the_next_sees_the_newest(settings):
    publish(settings, 1)
    context = Context(settings)
    assert (context.version, context.row("select n from gold.one")) == ("v000001", {"n": 1})
    publish(settings, 2)
    publish(settings, 3)
    assert not context.edition.folder.exists()
    assert context.row("select n from gold.two") == {"n": 1}
    assert Context(settings).row("select n from gold.one") == {"n": 3}


def test_reads_during_publishes_are_never_mixed_and_never_an_error(settings):
    publish(settings, 1)
    done = threading.Event()

    def keep_publishing():
        for number in range(2, 32):
            publish(settings, number)
        done.set()

    writer = threading.Thread(target=keep_publishing)
    writer.start()
    seen = set()
    while not done.is_set():
        context = Context(settings)
        pair = context.values("select n from gold.one"), context.values("select n from gold.two")
        assert pair[0] == pair[1] == [int(context.version[1:])]
        seen.add(context.version)
    writer.join()
    assert len(seen) > 3
    assert Context(settings).version == "v000031"


def test_an_answer_is_asked_once_a_version(settings, monkeypatch):
    publish(settings, 1)
    asked = []
    ask = edition.Edition.ask
    monkeypatch.setattr(
        edition.Edition,
        "ask",
        lambda self, sql, values: asked.append(sql) or ask(self, sql, values),
    )
    for _ in range(3):
        Context(settings).ask("select n from gold.one where n > ?", 0)
    assert len(asked) == 1
    publish(settings, 2)
    assert Context(settings).ask("select n from gold.one where n > ?", 0)["n"].tolist() == [2]
    assert len(asked) == 2


def test_pages_may_only_select(settings):
    publish(settings, 1)
    with pytest.raises(CallError, match="only select is allowed"):
        Context(settings).table("create table x as select 1")
    with pytest.raises(CallError, match=r"disabled by configuration|not allowed|Permission"):
        Context(settings).table("select * from read_csv('/etc/passwd')")


def test_nothing_published_is_said_with_what_to_do(settings):
    with pytest.raises(WarehouseError, match="nothing is published yet") as error:
        Context(settings)
    assert "warehouse run" in error.value.hint


def test_definitions_are_the_comments_that_dbt_left_in_the_edition(settings):
    publish(settings, 1)
    context = Context(settings)
    assert context.definition("one.n") == "How often it was published."
    assert context.definition("two.n") == ""
    assert context.complete_through == date(2025, 3, 31)


def test_an_answer_becomes_a_frame_with_days_and_plain_numbers(settings):
    publish(settings, 1)
    frame = Context(settings).ask(
        "select date '2025-03-31' as day, 12.50::decimal(28, 6) as money, null as none"
    )
    assert frame.to_dict("records") == [
        {"day": pd.Timestamp("2025-03-31"), "money": 12.5, "none": None}
    ]
    assert frame["money"].dtype == float


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (formats.money("USD"), Decimal("162673.49"), "$162,673"),
        (formats.money("USD"), 999.5, "$999.50"),
        (formats.money("USD"), -9.394, "\N{MINUS SIGN}$9.39"),
        (formats.money("JPY"), 512, "¥512"),
        (formats.money("KWD"), 1.2345, "KWD 1.234"),
        (formats.COUNT, 12345, "12,345"),
        (formats.PERCENT, 0.0333, "3.3%"),
        (formats.PERCENT_FINE, 0.03326, "3.33%"),
        (formats.MINUTES, 89, "89 min"),
        (formats.MINUTES, 1194, "19.9 h"),
        (formats.MINUTES, 2880, "2.0 d"),
        (formats.DAY, date(2025, 6, 3), "3 Jun 2025"),
        (formats.COUNT, None, "\N{EN DASH}"),
        (formats.DECIMAL, float("nan"), "\N{EN DASH}"),
        (formats.DAY, pd.NaT, "\N{EN DASH}"),
    ],
)
def test_values_are_written_for_people(form, value, text):
    assert form.text(value) == text


def test_a_change_has_its_sign_and_is_nothing_without_both_periods():
    assert formats.money("USD").change(Decimal(150), Decimal(100)) == "+$50.00"
    assert formats.PERCENT.change(0.038, 0.064) == "-2.6 pp"
    assert formats.COUNT.change(3, None) is None
    assert formats.TEXT.change("paid", "open") is None


def test_a_file_has_all_digits_days_as_days_and_no_formula():
    rows = pd.DataFrame(
        {
            "day": pd.to_datetime(["2025-03-31", None]),
            "who": ["=cmd()", "Ada"],
            "mrr": [1.23456789, float("nan")],
        }
    )
    measures = [Measure("day", "Day"), Measure("who", "Customer"), Measure("mrr", "MRR")]
    assert parts._csv(rows, measures) == "Day,Customer,MRR\n2025-03-31,'=cmd(),1.23456789\n,Ada,\n"


def test_names_from_outside_are_text_never_html():
    rows = customers.linked(
        pd.DataFrame(
            {"customer_id": ["a&b'><i>"], "company_name": ["<img src=x onerror=alert(1)>"]}
        )
    )
    table = parts._table(rows, [customers.COMPANY])
    assert "<img" not in table
    assert "&lt;img src=x onerror=alert(1)&gt;" in table
    assert "href='customer?customer=a%26b%27%3E%3Ci%3E'" in table


def test_names_from_outside_are_no_markdown_either():
    assert (
        parts.plain("![x](http://evil/p.png) *Ada* $1")
        == r"\!\[x\]\(http\://evil/p.png\) \*Ada\* \$1"
    )


def test_a_customer_without_a_name_is_listed_by_its_id():
    rows = customers.linked(pd.DataFrame({"customer_id": ["cus_1"], "company_name": [None]}))
    assert rows["company"].tolist() == ["cus_1"]


def test_customers_chosen_are_a_condition_with_parameters():
    assert customers.where(Slice()) == ("true", [])
    condition, values = customers.where(Slice("industry", "x' or true --"))
    assert "x'" not in condition
    assert values == ["x' or true --"]


# --- charts ----------------------------------------------------------------------------------------------------------


def days(complete: list[bool]) -> pd.DataFrame:
    count = len(complete)
    return pd.DataFrame(
        {
            "day": pd.date_range("2025-03-01", periods=count),
            "calls": range(10, 10 + count),
            "is_complete": complete,
        }
    )


def points(chart) -> list[dict]:
    (rows,) = chart.to_dict()["datasets"].values()
    return rows


def test_what_is_not_over_is_dashed_from_the_last_point_that_is():
    chart = charts.lines(days([True, True, False]), DAY, [CALLS])
    marks = [layer["mark"] for layer in chart.to_dict()["layer"]]
    assert any(mark.get("strokeDash") for mark in marks)
    assert any(mark["type"] == "point" and mark.get("filled") is False for mark in marks)
    assert [(p["is_complete"], p["is_tail"]) for p in points(chart)] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert points(chart)[-1]["value_text"] == "12 (not complete yet)"
    whole = charts.lines(days([True, True]), DAY, [CALLS])
    assert not any(layer["mark"].get("strokeDash") for layer in whole.to_dict()["layer"])


def test_a_bar_that_is_not_over_is_hollow():
    spec = charts.bars(days([True, False]), DAY, [CALLS]).to_dict()
    assert spec["encoding"]["fillOpacity"]["condition"]["test"] == "datum.is_complete"
    assert [p["is_complete"] for p in points(charts.bars(days([True, False]), DAY, [CALLS]))] == [
        True,
        False,
    ]


def test_days_are_drawn_in_utc_whatever_the_readers_zone():
    spec = charts.lines(days([True, True]), DAY, [CALLS]).to_dict()
    assert all(layer["encoding"]["x"]["scale"] == {"type": "utc"} for layer in spec["layer"])


def test_a_waterfall_hangs_each_step_where_the_one_before_ended():
    steps = pd.DataFrame(
        [
            ("Opening", 100.0, True),
            ("New", 30.0, False),
            ("Churn", -50.0, False),
            ("Closing", 80.0, True),
        ],
        columns=["step", "amount", "is_total"],
    )
    bars = points(charts.waterfall(steps, "step", "amount", "is_total", formats.money("USD")))
    assert [(bar["start"], bar["end"], bar["text"]) for bar in bars] == [
        (0, 100, "$100.00"), (100, 130, "+$30.00"), (130, 80, "\N{MINUS SIGN}$50.00"), (0, 80, "$80.00"),
    ]  # fmt: skip


def test_a_fan_has_what_was_and_what_may_come():
    ahead = pd.DataFrame(
        {
            "day": pd.date_range("2025-03-03", periods=2),
            "baseline": [12, 13],
            "pessimistic": [11, 10],
            "optimistic": [13, 16],
        }
    )
    chart = charts.fan(days([True, True]), ahead, DAY, CALLS).to_dict()
    band = next(rows for rows in chart["datasets"].values() if rows[0]["kind"] == "85 % interval")
    assert [(row["low"], row["value"], row["high"]) for row in band] == [(11, 12, 13), (10, 13, 16)]
    assert band[1]["range_text"] == "10 to 16"


# --- the app ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shell(settings, monkeypatch) -> AppTest:
    """The script that Streamlit runs, on the data folder of the test."""
    for name, value in reader_environment(settings).items():
        monkeypatch.setenv(name, value)
    return AppTest.from_file(str(server.SCRIPT), default_timeout=60)


def test_the_app_says_in_one_line_that_nothing_is_published(shell):
    shell.run()
    assert not shell.exception
    assert [title.value for title in shell.title] == ["Company overview"]
    (said,) = shell.error
    assert said.value.startswith("nothing is published yet")
    assert "warehouse run" in said.value


def test_an_edition_of_another_shape_is_a_clear_line_and_the_heading_stays(shell, settings):
    publish(settings, 1)
    shell.run()
    assert not shell.exception
    assert "Complete through **31 Mar 2025**" in shell.caption[0].value
    (said,) = shell.error
    assert "the version shown has no mrr" in said.value.replace("\\", "")


# --- the house -------------------------------------------------------------------------------------------------------


def test_every_page_has_its_place_and_an_address_of_its_own():
    pages = all_pages()
    assert {page.section for page in pages} <= set(SECTIONS)
    assert pages[0].url == ""
    for attribute in ("url", "title"):
        names = [getattr(page, attribute) for page in pages]
        assert len(set(names)) == len(names)
    assert all(server.PAGE_ADDRESS.fullmatch(f"/{page.url}") for page in pages)


def test_streamlit_knows_every_option_that_it_is_told_and_tells_nobody():
    from streamlit import config

    known = config._config_options_template
    assert set(server.OPTIONS | server.THEME) <= set(known)
    assert server.OPTIONS["browser.gatherUsageStats"] is False
    assert server.OPTIONS["server.address"] == "127.0.0.1"


def test_a_taken_port_is_one_clear_line(settings):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WarehouseError, match=r"port \d+ is taken"):
            server.take_over(settings, taken.getsockname()[1])
