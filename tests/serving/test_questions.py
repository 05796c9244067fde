"""Saved questions: files that any client can run, the project's and a person's own."""

from __future__ import annotations

import stat

import pytest

from serving import questions
from serving.questions import Chart, Question
from tests.quality.company import settings_of
from warehouse.errors import CallError


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def test_what_is_saved_is_found_again(settings):
    asked = Question(
        "plans", "Plans: an overview", "select 1 -- of all\n", "All of them, 'old' too\nand new.", Chart("bar", "a", "b")
    )  # fmt: skip
    path = questions.save(settings, asked)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    found = questions.find(settings, "plans")
    assert (found.title, found.description, found.chart) == (
        asked.title,
        asked.description,
        asked.chart,
    )
    assert found.sql == "select 1 -- of all"
    assert found.is_own
    # any client takes the file as it is: a head of comments, then SQL
    lines = path.read_text().splitlines()
    assert lines[-1] == "select 1 -- of all"
    assert all(line.startswith("-- ") for line in lines[:-1])


def test_one_is_not_written_over_by_chance(settings):
    questions.save(settings, Question("plans", "Plans", "select 1"))
    with pytest.raises(CallError, match="already"):
        questions.save(settings, Question("plans", "Plans", "select 2"))
    questions.save(settings, Question("plans", "Plans", "select 2"), replace=True)
    assert questions.find(settings, "plans").sql == "select 2"


@pytest.mark.parametrize("first", ["-- of all plans", "-- title: hijack", "-- ---", "--"])
def test_sql_that_begins_with_a_comment_is_kept_whole(settings, first):
    asked = Question("plans", "Plans", f"{first}\nselect 1", "All of them.", Chart("bar", "a", "b"))
    questions.save(settings, asked)
    found = questions.find(settings, "plans")
    assert (found.title, found.description, found.chart, found.sql) == (
        asked.title,
        asked.description,
        asked.chart,
        asked.sql,
    )


def test_a_head_without_its_last_line_is_read_as_before(settings):
    questions.own_folder(settings).mkdir()
    (questions.own_folder(settings) / "old.sql").write_text(
        "-- title: Old\n-- description: 'Two\n\n--   lines'\n-- chart:\n--   kind: bar\n--   x: a\n--   y: b\nselect 1\n".replace(
            "Two\n\n", "Two\n-- \n"
        )
    )
    assert questions.find(settings, "old") == Question(
        "old", "Old", "select 1", "Two\nlines", Chart("bar", "a", "b"), is_own=True
    )


@pytest.mark.parametrize("name", ["../plans", "a/b", "", "Plans", ".hidden", "x" * 64])
def test_a_name_is_no_path(settings, name):
    with pytest.raises(CallError, match="no name for a question"):
        questions.save(settings, Question(name, "x", "select 1"))


def test_nothing_is_no_question(settings):
    with pytest.raises(CallError, match="no SQL"):
        questions.save(settings, Question("x", "x", "  \n"))


@pytest.mark.parametrize(
    "head", ["-- title: [", "-- chart: {kind: pie, x: a, y: b}", "-- chart: {x: a}", "-- - a list"]
)
def test_a_head_that_cannot_be_read_hides_no_question(settings, head):
    folder = questions.own_folder(settings)
    folder.mkdir()
    (folder / "odd.sql").write_text(f"{head}\nselect 1\n")
    found = questions.find(settings, "odd")
    assert "can't be read" in found.description
    assert "select 1" in found.sql


def test_a_file_without_a_head_is_a_question(settings):
    questions.own_folder(settings).mkdir()
    (questions.own_folder(settings) / "bare.sql").write_text("select 1")
    assert questions.find(settings, "bare") == Question("bare", "bare", "select 1", is_own=True)


def test_a_title_makes_a_name():
    assert questions.name_of("MRR, by Tier (net)!") == "mrr_by_tier_net"


def test_the_projects_own_say_what_they_are(settings):
    shipped = [one for one in questions.all_questions(settings) if not one.is_own]
    assert len(shipped) >= 8
    for question in shipped:
        assert question.title != question.name
        assert len(question.description) > 40
        assert "can't be read" not in question.description
