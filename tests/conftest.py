"""The order of the tests, and who runs them.

Fast tests first: what takes long (marked `slow`) runs after everything else, the longest of it first, so that two workers end
together. A file's tests stay with one worker, and so do those of a folder whose company is built once.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import forked_dbt, parsed
from warehouse import dbt_process

MAIN = sys.modules["__main__"]
SHARED = ("tests/road/", "tests/ml/", "tests/scale/")


class ByFile(LoadScopeScheduling):
    """Hands out whole files; a folder that shares one warehouse is handed out as one."""

    def _split_scope(self, nodeid: str) -> str:
        folders = [folder for folder in SHARED if nodeid.startswith(folder)]
        return folders[0] if folders else nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ByFile:
    return ByFile(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--histories-seed", type=int, default=1, help="seed of the random Stripe histories"
    )
    parser.addoption("--kills", type=int, default=200, help="random kills of `warehouse run`")
    parser.addoption("--kills-seed", type=int, default=1, help="seed of the random kills")
    parser.addoption("--sandbox-seed", type=int, default=7, help="company that Spark builds")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[parsed.FOLDER] = tempfile.mkdtemp(prefix="parsed-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(parsed.FOLDER))


@pytest.fixture(autouse=True)
def main_module():
    """Streamlit runs a page as `__main__` and leaves it there, where processes that are started look for this one."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="session", autouse=True)
def forks_of_dbt():
    """Builds within the tests' own process are made by forks of one dbt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_process, "child", forked_dbt.child)
        yield
    forked_dbt.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> tuple[bool, float]:
        slow = item.get_closest_marker("slow")
        minutes = slow.kwargs["minutes"] if slow else 0
        return slow is not None, -minutes

    items.sort(key=place)
