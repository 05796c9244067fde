"""The dashboards' SQL page: a question, its answer as table, chart and file, and questions kept as files."""

from __future__ import annotations

import threading

import pytest
from streamlit.testing.v1 import AppTest

from serving import questions
from serving.dashboards import formats, free_chart
from serving.publish import publish
from serving.questions import Chart, Question
from serving.sql import Table, query
from tests.quality.company import build_gold, settings_of
from tests.serving.test_publish import pass_gates


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = settings_of(tmp_path_factory.mktemp("page"), sql_seconds=5.0)
    build_gold(settings)
    pass_gates(settings)
    publish(settings)
    return settings


def _page():
    from serving.dashboards.context import Context
    from serving.dashboards.pages import sql
    from warehouse.settings import load_settings

    sql.draw(Context(load_settings()))


@pytest.fixture
def page(settings, monkeypatch):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return AppTest.from_function(_page, default_timeout=60).run()


def run(page, sql):
    page.text_area(key="sql_text").set_value(sql)
    page.button[0].click().run()
    assert not page.exception
    return page


def told(page):
    """Everything that stands on the page as HTML or caption."""
    return " ".join([*(html.proto.body for html in page.get("html")), *(c.value for c in page.caption)])  # fmt: skip


def test_an_answer_is_the_editions(page, settings):
    run(page, "select customer_id, mrr, null as nothing from gold.dim_customers order by 1")
    for customer, mrr in query(settings, "select customer_id, mrr from gold.dim_customers").rows:
        assert (
            f"<td>{customer}</td><td class='number'>{mrr}</td><td>{formats.NOTHING}</td>"
            in told(page)
        )
    assert "3 rows" in told(page)
    assert "at most 5 s, 2GB of memory and 10,000 rows" in told(page)


def test_text_is_never_markup(page):
    run(page, "select '<script>alert(1)</script>' as \"<b>\"")
    assert "<script>" not in told(page)
    assert "&lt;script&gt;" in told(page)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selec 1", "SQL: Parser Error: syntax error at or near"),
        ("drop table gold.dim_plans", "only select is allowed here, not drop"),
        ("select * from read_text('/etc/passwd')", "file system operations are disabled"),
        ("select len(range(500000000))", "needs more than"),
    ],
)
def test_what_is_wrong_is_one_line(page, sql, says):
    run(page, sql)
    (error,) = page.error
    assert says in error.value.replace("\\", "")
    # a line, and what to do about it
    assert len(error.value.split("\n\n")) <= 2
    # the next question is answered as ever
    run(page, "select 41 + 1 as answer")
    assert not page.error
    assert "<td class='number'>42</td>" in told(page)


def test_the_analysts_edition_knows_no_address(page):
    page.button_group(key="edition").set_value("analyst").run()
    run(page, "select * from gold.dim_customers")
    assert "ada@" not in told(page)
    assert "pseudonym" not in told(page)
    assert "analyst" in told(page)


def test_rows_are_cut_and_turned_over_page_by_page(page):
    run(page, "select range as n from range(20000)")
    assert "the first 10,000 rows" in told(page)
    assert "<td class='number'>14</td>" in told(page)
    assert "<td class='number'>15</td>" not in told(page)


def test_a_saved_question_is_opened_asked_and_drawn(page, settings):
    question = Question(
        "calls", "Calls by day", "select date_partition as day, count(*) as calls from gold.fact_api_usage group by all",
        "How many calls there were.", Chart("bar", "day", "calls"),
    )  # fmt: skip
    questions.save(settings, question, replace=True)
    page.run()
    page.selectbox(key="question").set_value("calls").run()
    assert page.text_area(key="sql_text").value == question.sql
    assert "How many calls there were." in told(page)
    assert page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    kinds = {box.label: box.value for box in page.selectbox}
    assert (kinds["Chart"], kinds["Along"], kinds["Values"]) == ("bar", "day", "calls")


def test_dates_without_an_end_are_drawn(page):
    """A validity that is open ends in 9999, beyond pandas' nanoseconds."""
    run(
        page,
        "from (values (date '9999-12-31', timestamptz '9999-12-31 00:00:00+00', 'infinity'::timestamp, 1), (null, null, null, 2), "
        "(date '2025-01-02', timestamptz '2025-01-02 00:00:00+00', timestamp '20000-01-01', 3)) as t(valid_to, until, seen_at, n)",
    )
    page.button_group(key=next(b.key for b in page.button_group if b.label == "View")).set_value(
        "Chart"
    ).run()
    for along in ("valid_to", "until", "seen_at"):
        next(box for box in page.selectbox if box.label == "Along").set_value(along).run()
        assert not page.exception
        assert page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")


def test_a_question_is_saved_as_a_file(page, settings):
    run(page, "select 41 + 1 as answer")
    page.session_state["sql_save"] = True
    page.run()
    page.text_input(key="sql_title").set_value("The answer, at last")
    page.text_input(key="sql_about").set_value("What it is")
    next(button for button in page.button if button.label == "Save").click().run()
    assert not page.error
    kept = questions.find(settings, "the_answer_at_last")
    assert (kept.sql, kept.description) == ("select 41 + 1 as answer", "What it is")


def test_more_than_two_queries_wait_for_their_turn(page, settings, monkeypatch):
    from serving.dashboards.pages import sql

    busy = threading.BoundedSemaphore(1)
    busy.acquire()
    monkeypatch.setattr(sql, "_turns", lambda: busy)
    monkeypatch.setenv("WAREHOUSE_SQL_SECONDS", "0.2")
    run(page, "select 1")
    assert "other queries are running" in page.error[0].value


def test_tables_and_what_their_columns_mean(page):
    page.session_state["sql_browser"] = True
    page.run()
    page.selectbox(key="sql_table").set_value("gold.dim_customers").run()
    assert "<td>mrr</td><td>DECIMAL(18,2)</td><td>Monthly recurring revenue now</td>" in told(page)


# --- charts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "suggested"),
    [
        ("select date '2025-01-01' as day, 1 as n", Chart("line", "day", "n")),
        (
            "select date '2025-01-01' as day, 'a' as tier, 1 as n union all select date '2025-01-01', 'b', 2",
            Chart("line", "day", "n", "tier"),
        ),
        ("select 'a' as tier, 1.5 as n", Chart("bar", "tier", "n")),
        ("select 1 as a, 2.0::double as b", Chart("point", "a", "b")),
        ("select 1 as a", None),
        ("select 'a' as a, 'b' as b", None),
    ],
)
def test_a_chart_is_suggested_by_what_the_columns_are(settings, sql, suggested):
    assert free_chart.suggest(query(settings, sql)) == suggested


def values(drawing):
    spec = drawing.chart.to_dict()
    return spec["datasets"][spec["data"]["name"]]


def test_eight_series_are_drawn_and_the_rest_is_told(settings):
    table = query(settings, "select 'day' as day, 's' || range as s, range as n from range(12)")
    drawing = free_chart.draw(table, Chart("line", "day", "n", "s"))
    assert set(drawing.legend) == {f"s{n}" for n in range(4, 12)}
    assert len(set(drawing.legend.values())) == 8
    assert "the 8 largest of 12 series" in drawing.note
    assert {row["color"] for row in values(drawing)} == set(drawing.legend)


def test_what_has_one_name_is_one_bar_with_their_sum(settings):
    table = query(settings, "from (values ('a', 1), ('b', 2), ('a', 3)) as t(name, n)")
    drawing = free_chart.draw(table, Chart("bar", "name", "n"))
    assert [(row["x"], row["y"]) for row in values(drawing)] == [("a", 4), ("b", 2)]
    assert drawing.note == ""


def test_columns_of_any_name_are_drawn_and_missing_values_left_out():
    table = Table(
        ["a.b[0]", "count(*)"], [("x", 1), (None, 2), ("y", None)], types=["VARCHAR", "BIGINT"]
    )
    drawing = free_chart.draw(table, Chart("bar", "a.b[0]", "count(*)"))
    assert [(row["x"], row["y"]) for row in values(drawing)] == [("x", 1)]


def test_too_many_bars_are_cut_and_told(settings):
    table = query(settings, "select 'n' || range as name, range as n from range(100)")
    drawing = free_chart.draw(table, Chart("bar", "name", "n"))
    assert len(values(drawing)) == free_chart.BARS
    assert "the first 40 of 100 values of name" in drawing.note
