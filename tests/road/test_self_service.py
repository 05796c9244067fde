"""What people ask by themselves, on a company whose whole road has been run."""

from __future__ import annotations

import pytest

from serving import questions
from serving.reader import Reader
from serving.sql import current_file


@pytest.fixture(scope="module")
def reader(road):
    with Reader(road.settings, current_file(road.settings, "restricted")) as reader:
        yield reader


def test_every_saved_question_is_answered_and_its_chart_has_its_columns(road, reader):
    for question in questions.all_questions(road.settings):
        answer = reader.ask(question.sql)
        # a month or two may pass in which nobody's health falls
        assert answer.rows or question.name == "falling_health", question.name
        if chart := question.chart:
            drawn = {chart.x, chart.y, chart.color} - {None}
            assert drawn <= set(answer.columns), question.name


def test_a_saved_question_is_asked_by_its_name(road):
    assert "Enterprise" in road("sql", "--question", "mrr_by_tier")
