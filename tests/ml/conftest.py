"""One made-up company, trained and scored once; tests that change it take a copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import ml
from ml import scoring
from ml.churn.training import TrainReport
from tests.ml import company
from warehouse.duck import connect
from warehouse.settings import Settings


@dataclass(frozen=True)
class Trained:
    settings: Settings
    truth: object
    train: TrainReport
    score: scoring.ScoreReport


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    built = company.build(tmp_path_factory.mktemp("company"))
    report = ml.train(built.settings)
    return Trained(built.settings, built.truth, report, ml.score(built.settings))


@pytest.fixture
def own(trained, tmp_path) -> Trained:
    """A copy of the trained company, free to change."""
    home = tmp_path / "home"
    shutil.copytree(trained.settings.home, home)
    return Trained(trained.settings.over(home=home), trained.truth, trained.train, trained.score)


@pytest.fixture
def con(trained):
    connection = connect(trained.settings.warehouse_db, read_only=True)
    yield connection
    connection.close()


@pytest.fixture
def rows():
    """Rows of a query on a file."""

    def query(path: Path, sql: str):
        connection = connect(path, read_only=True)
        try:
            return connection.execute(sql).df()
        finally:
            connection.close()

    return query
