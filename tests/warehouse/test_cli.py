"""The command line's manners: exit codes, one line for what is wrong, text shown as it is."""

import os
import re
import shlex
import subprocess
import sys

import pytest

from warehouse.cli import main
from warehouse.cli.app import console
from warehouse.settings import Settings


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the command in this process in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["warehouse", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope"], "No such command 'nope'"),
        (["sql", "select 1", "--question", "mrr_by_tier"], "more than one query"),
        (["sql", "--question", "nope"], "no saved question 'nope'"),
        (["sql", "select 1", "--output", "x.xlsx"], "no format 'xlsx'"),
        (
            ["sql", "select 1", "--landing", "product", "--edition", "analyst"],
            "--landing has no editions",
        ),
        (["publish", "--rollback", "--again"], "--rollback goes back, --again goes forward"),
        (["run", "--fast"], "No such option: --fast"),
        (["sync", "stripe", "--from", "2025-13-01"], "Invalid value for '--from'"),
        (["sync", "stripe", "--from", "2025-01-01"], "--from and --to belong together"),
        (["sync"], "say which source"),
        (["sync", "stripe", "--name", "x"], "belong to --exec"),
        (["sync", "--exec", "x", "--name", "y"], "--exec needs --config and --name"),
        (["sync", "nope"], "there is no source 'nope'"),
        (["sql", "select 1", "--format", "xml"], "no format 'xml'"),
        (["build", "--layer", "nope"], "no layer 'nope'"),
        (["check", "nope"], "no gate 'nope'"),
        (["sandbox", "create", "--customers", "0"], "Invalid value for '--customers'"),
    ],
)
def test_a_wrong_call_is_one_line_a_hint_and_exit_code_2(call, words, says):
    code, _, err = call(*words)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 2
    assert "not foreseen" not in err


def test_no_words_show_the_help(call):
    code, out, err = call()
    assert code == 2
    assert "Usage: warehouse" in out
    assert err == ""


@pytest.mark.parametrize("words", [["status"], ["sql", "select 'a b'"]])
def test_what_was_not_foreseen_says_a_whole_line_that_shows_more(call, monkeypatch, words):
    def fails(*_, **__):
        raise ZeroDivisionError("ours to mend")

    monkeypatch.setattr("warehouse.home.check_mode", fails)
    code, _, err = call(*words)
    assert (code, err.splitlines()[0]) == (1, "error: ZeroDivisionError: ours to mend")
    again = re.search("run `(.+)` and report it", err)[1]
    name, *words = shlex.split(again)
    assert name == "warehouse"
    code, _, err = call(*words)
    assert code == 1
    assert "Traceback" in err
    assert "report it with what stands above" in err


def test_a_question_left_without_an_answer_stops_and_deletes_nothing(call, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mode").write_text("sandbox\n")
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    code, _, err = call("reset")
    assert (code, err.strip()) == (1, "stopped")
    assert (tmp_path / "data" / "mode").exists()


def test_sql_of_the_other_mode_is_refused(call, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mode").write_text("sandbox\n")
    monkeypatch.setenv("WAREHOUSE_MODE", "real")
    code, _, err = call("sql", "select 1")
    assert code == 2
    assert "belongs to mode 'sandbox'" in err


def test_real_mode_without_any_source_is_a_wrong_call(call, monkeypatch):
    monkeypatch.setenv("WAREHOUSE_MODE", "real")
    monkeypatch.setenv("PSEUDONYM_KEY", "k" * 64)
    code, _, err = call("run")
    assert code == 2
    assert "every source is off" in err


def test_cells_are_text_not_markup(call, monkeypatch):
    from serving import reader, sql

    monkeypatch.setattr(console, "width", 60)
    monkeypatch.setattr(
        reader, "query", lambda *_, **__: sql.Table(["[b]"], [("[/foo]",), ("[red]x",)])
    )
    code, out, _ = call("sql", "select 1")
    assert code == 0
    assert all(text in out for text in ("[b]", "[/foo]", "[red]x"))


@pytest.mark.parametrize(
    "words", [["alerts"], ["alerts", "--json"], ["alerts", "rules"], ["status"]]
)
def test_a_look_makes_no_file(call, tmp_path, words):
    """A folder with a file and no mode would be no warehouse's."""
    code, _, _ = call(*words)
    assert code == 0
    assert list(tmp_path.iterdir()) == []


def test_sigterm_stops_like_ctrl_c(tmp_path):
    """In a process of its own, with a command that waits."""
    program = (
        "import sys, time; from warehouse.cli import main, run, serving;"
        "import warehouse.status as status;"
        "status.status = lambda _: (print('waiting', flush=True), time.sleep(60));"
        "sys.argv = ['warehouse', 'status']; main()"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stdout.readline() == "waiting\n"
    waiting.terminate()
    _, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, err.strip()) == (130, "stopped")
