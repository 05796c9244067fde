"""`warehouse sql`: its shell, driven by keys, and what one question can be told on the command line."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from pyarrow import parquet

from serving import questions
from serving.publish import publish
from tests.quality.company import build_gold, settings_of
from tests.serving.test_publish import pass_gates
from warehouse.cli import main
from warehouse.cli.app import console, stderr
from warehouse.cli.shell import Shell, is_complete
from warehouse.errors import CallError, WarehouseError

SLOW = "select levenshtein(repeat('ab', 500000), repeat('ba', 500000));"


def make(folder):
    settings = settings_of(folder / "home")
    build_gold(settings)
    pass_gates(settings)
    publish(settings)
    return settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return make(tmp_path_factory.mktemp("shell"))


@pytest.fixture
def said(monkeypatch):
    """What the shell prints, errors too."""
    out = io.StringIO()
    monkeypatch.setattr(console, "_file", out)
    monkeypatch.setattr(stderr, "_file", out)
    monkeypatch.setattr(console, "_width", 160)
    return out


@pytest.fixture
def shell(settings, said):
    shell = Shell(settings, "restricted")
    yield shell
    shell._reader.close()


def ask(shell, said, *lines):
    said.seek(0)
    said.truncate()
    for line in lines:
        shell.answer(line)
    return said.getvalue()


def test_keys_make_statements_over_lines_and_history(settings, said):
    handler = signal.getsignal(signal.SIGTERM)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("select count(*) as n\nfrom gold.dim_customers;\n")
        keys.send_text("select 'thrown away'\x03")  # Ctrl-C
        keys.send_text("\\timing\n\\q\n")
        Shell(settings, "restricted").run()
    signal.signal(signal.SIGTERM, handler)
    assert "│ 3 │" in said.getvalue()
    assert "thrown away" not in said.getvalue()
    assert "timing: on" in said.getvalue()
    history = settings.home / "sql_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+from gold.dim_customers;" in history.read_text().splitlines()


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("select 1;", True), ("select 1; -- and so on", True), ("", True), ("\\d dim_plans", True),
        ("select 1", False), ("select ';", False), ("select ';'", False), ("select 1 -- ;", False), ("select $$;", False),
    ],
)  # fmt: skip
def test_enter_sends_what_is_complete(text, complete):
    assert is_complete(text) is complete


def test_tables_columns_and_what_they_mean(shell, said):
    assert "gold.dim_customers" in ask(shell, said, "\\d")
    assert "Monthly recurring revenue now" in ask(shell, said, "\\d dim_customers")
    listed = ask(shell, said, "\\dt kpi")
    assert "gold.kpi_daily" in listed
    assert "dim_plans" not in listed
    assert "no table 'nope'" in ask(shell, said, "\\d nope")


def test_editions_and_questions_are_listed_and_asked(shell, said, settings):
    questions.save(settings, questions.Question("mine", "My plans", "select 'of ' || 'mine'"))
    listed = ask(shell, said, "\\l")
    assert "* restricted" in listed
    assert "My plans (own)" in listed
    assert "of mine" in ask(shell, said, "\\i mine")
    assert "no edition 'public'" in ask(shell, said, "\\c public")
    assert shell.edition == "restricted"
    ask(shell, said, "\\c analyst")
    assert "email" not in ask(shell, said, "\\d dim_customers")
    assert "ada@" not in ask(shell, said, "from gold.dim_customers;")


def test_the_last_question_is_saved(shell, said, settings):
    ask(shell, said, "select 41 + 1;", "\\s answer The answer")
    assert questions.find(settings, "answer").title == "The answer"
    assert "42" in ask(shell, said, "\\i answer")
    assert "already" in ask(shell, said, "\\s answer")


def test_answers_go_to_files_whole(shell, said, tmp_path):
    path = tmp_path / "calls.csv"
    assert "300 rows in" in ask(shell, said, f"\\o {path}", "select * from gold.fact_api_usage;")
    assert len(path.read_text().splitlines()) == 301
    # the next one is for the screen again
    shown = ask(shell, said, "select * from gold.fact_api_usage;")
    assert "the first 200 rows" in shown
    assert "no format 'xlsx'" in ask(shell, said, "\\o x.xlsx")
    assert "No such file" in ask(shell, said, f"\\o {tmp_path}/no/x.csv", "select 1;")


def test_wide_answers_are_written_line_by_line(shell, said):
    wide = "select * from gold.dim_customers, gold.fact_revenue limit 1;"
    assert "record 1" in ask(shell, said, wide)
    assert "record 1" not in ask(shell, said, "\\x off", wide)
    assert "record 1" in ask(shell, said, "\\x on", "select 1;")


def test_the_number_of_rows_shown_can_be_set(shell, said):
    assert "the first 2 rows" in ask(shell, said, "\\limit 2", "from gold.dim_customers;")
    assert "no number of rows" in ask(shell, said, "\\limit many")


def test_several_statements_are_answered_one_by_one_and_wrong_ones_in_a_line(shell, said):
    shown = ask(shell, said, "select 'one'; select 'two';")
    assert shown.index("one") < shown.index("two")
    for wrong, why in [
        ("selec 1;", "error: SQL: Parser Error"),
        ("drop table gold.dim_plans;", "only select is allowed"),
        ("\\nope", "no command \\nope"),
        ("\\d 'x", "No closing quotation"),
        ("\\c", "it needs one word more"),
    ]:
        shown = ask(shell, said, wrong)
        assert why in shown
        assert len(shown.strip().splitlines()) == 2
    assert ask(shell, said, "") == ""


def test_every_command_is_in_the_help(shell, said):
    shown = ask(shell, said, "\\?")
    assert all(name in shown for name in shell._commands)


def test_ctrl_c_stops_a_query_and_the_shell_lives_on(shell, said):
    ask(shell, said, "select 1;")
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    shown = ask(shell, said, SLOW)
    timer.join()
    assert "stopped" in shown
    assert "42" in ask(shell, said, "select 42;")


def test_a_newer_version_is_taken_and_said(tmp_path, said):
    settings = make(tmp_path)
    shell = Shell(settings, "restricted")
    first = shell._reader.path.parent.name
    build_gold(settings, "update gold.dim_customers set mrr = 4711 where mrr > 0")
    pass_gates(settings)
    second = publish(settings).name
    shown = ask(shell, said, "select max(mrr) from gold.dim_customers;")
    shell._reader.close()
    assert first != second
    assert f"now on {second}" in shown
    assert "4711.00" in shown
    assert "now on" not in ask(shell, said, "select 1;")
    shell._reader.close()


def test_nothing_published_is_said_before_the_first_prompt(tmp_path):
    with pytest.raises(WarehouseError, match="nothing is published"):
        Shell(settings_of(tmp_path), "restricted")
    with pytest.raises(CallError, match="no edition"):
        Shell(settings_of(tmp_path), "public")


# --- completion ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offered", "not_offered"),
    [
        ("select * from gold.dim_c", "gold.dim_customers", "gold.fact_revenue"),
        ("select * from dim_c", "gold.dim_customers", "gold.fact_revenue"),
        ("select c. from gold.dim_customers as c", "company_name", "stripe_invoice_id"),
        ("select comp from gold.dim_customers", "company_name", "compute_units"),
        ("select quantile_c", "quantile_cont", "quantile_disc"),
        ("sel", "select", "sum"),
        ("\\d gold.fact_rev", "gold.fact_revenue", "gold.dim_plans"),
        ("\\c ana", "analyst", "restricted"),
        ("\\i mrr_by", "mrr_by_tier", "leaving_soon"),
        ("\\tim", "\\timing", "\\d"),
        ("select 'sel", None, "select"),
    ],
)
def test_tab_offers_what_fits(shell, text, offered, not_offered):
    place = text.find(" from") if text.startswith("select c") else len(text)
    found = {
        completion.text
        for completion in shell._completer.get_completions(Document(text, place), CompleteEvent())
    }
    assert offered is None or offered in found
    assert not_offered not in found


# --- one question -------------------------------------------------------------------------------


@pytest.fixture
def call(settings, monkeypatch, capsysbinary):
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)

    def run(*words, stdin=""):
        monkeypatch.setattr(sys, "argv", ["warehouse", "sql", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsysbinary.readouterr()
        return ended.value.code, out, err.decode()

    return run


def test_a_query_comes_from_an_argument_a_pipe_or_a_file(call, tmp_path):
    expected = (0, b"n\n3\n", "")
    query = "select count(*) as n from gold.dim_customers;\n"
    assert call(query, "--format", "csv") == expected
    assert call("--format", "csv", stdin=query) == expected
    (tmp_path / "q.sql").write_text(query)
    assert call("--format", "csv", "--file", str(tmp_path / "q.sql")) == expected
    code, _, err = call("--file", str(tmp_path / "no.sql"))
    assert code == 1
    assert "No such file" in err


def test_a_file_that_is_no_utf_8_is_a_wrong_call_that_names_it(call, tmp_path):
    (tmp_path / "latin.sql").write_bytes("select 'é' as letter".encode("latin-1"))
    code, _, err = call("--file", str(tmp_path / "latin.sql"))
    assert (code, err) == (2, f"error: {tmp_path}/latin.sql is not UTF-8\n  → save it as UTF-8\n")


def test_no_text_of_the_data_moves_the_terminal(call):
    r"""`\x1b]0;…` would give the window another title, `\x9b2J` clear it."""
    title, clear = "chr(27) || ']0;owned' || chr(7)", "chr(155) || '2J[red]'"
    code, out, _ = call(f"select {title} as title, {clear} as clear")
    assert code == 0
    assert r"\x1b]0;owned\x07" in out.decode()
    assert r"\x9b2J[red]" in out.decode()
    _, _, err = call(f"select cast({title} as integer)")
    assert r"\x1b]0;owned" in err
    assert not {"\x1b", "\x07", "\x9b"} & set(out.decode() + err)


def test_an_answer_becomes_the_file_that_its_name_says(call, tmp_path):
    for name in ("a.csv", "a.json", "a.parquet"):
        code, out, err = call("from gold.dim_customers", "-o", str(tmp_path / name))
        assert (code, out) == (0, b"")
        assert err.startswith("3 rows in")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 4
    assert parquet.read_table(tmp_path / "a.parquet").num_rows == 3
    assert call("from gold.dim_customers", "-f", "parquet")[1].startswith(b"PAR1")
    _, _, err = call("from gold.dim_customers", "--limit", "2", "-o", str(tmp_path / "b.csv"))
    assert "only the first 2 rows" in err


def test_a_shell_in_a_real_terminal_ends_with_ctrl_d_and_with_sigterm(settings):
    import pty

    for ending in ("ctrl-d", "sigterm"):
        parent, child = pty.openpty()
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "warehouse"), "sql"],
            stdin=child, stdout=child, stderr=child, start_new_session=True,
            env={**os.environ, **settings.environment(), "TERM": "xterm"},
        )  # fmt: skip
        os.close(child)
        seen = b""
        while b"=>" not in seen:
            seen += os.read(parent, 4096)
        if ending == "ctrl-d":
            os.write(parent, b"\x04")
        else:
            process.terminate()
        # a terminal that nobody reads blocks its writer
        reading = threading.Thread(target=_drain, args=(parent,), daemon=True)
        reading.start()
        assert process.wait(timeout=60) == (0 if ending == "ctrl-d" else 130)
        reading.join(timeout=10)
        os.close(parent)


def _drain(descriptor):
    try:
        while os.read(descriptor, 4096):
            time.sleep(0)
    except OSError:
        pass  # its other end is closed
