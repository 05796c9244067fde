"""Publishing: whole versions only, nothing twice, nobody named in the analyst's edition."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from datetime import timedelta

import duckdb
import pytest

from quality.gates import check
from serving.alerts.log import COLUMNS
from serving.publish import current_version, publish, rollback, versions
from serving.sql import query
from tests.faults.comparing import damage, gold_hashes
from tests.faults.dying import SERVER, killed_at
from tests.quality.company import NOW, build_gold, settings_of
from warehouse import duck, failpoints, ledger
from warehouse.errors import CallError, GateOutdated, GateRefused, WarehouseError

RESULT = (
    "gold.dim_customers",
    "gold.dim_customers",
    "id",
    "id is never null",
    "completeness",
    "error",
    True,
    "0 of 3 rows",
    "",
    "",
)
WARNED = (
    "gold.kpi_daily",
    "gold.kpi_daily",
    "",
    "is fresh",
    "timeliness",
    "warning",
    False,
    "9",
    "acc_ada is late",
    "wake it",
)


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path / "home")


def pass_gates(settings, *gates):
    for gate in gates or ("raw", "gold", "scores"):
        ledger.record_check(
            settings,
            run_id=f"run_{gate}",
            gate=gate,
            passed=True,
            checked_at=NOW,
            results=[RESULT, WARNED],
        )


def published(settings, *changes):
    build_gold(settings, *changes)
    pass_gates(settings)
    return publish(settings)


def test_both_editions_hold_gold_and_ops(settings):
    version = published(settings)
    assert version.is_new
    for edition in ("restricted", "analyst"):
        tables = {row[0] for row in query(settings, "show tables from gold", edition=edition).rows}
        assert {
            "dim_customers",
            "fact_revenue",
            "kpi_daily",
            "data_quality_scores",
            "alert_log",
        } <= tables
        assert query(
            settings, "select count(*) from gold.fact_api_usage", edition=edition
        ).rows == [(300,)]
        assert query(settings, "select count(*) from ops.check_results", edition=edition).rows == [
            (6,)
        ]
    # what was judged before, with its columns described; analysts don't see what messages quote
    kept = {
        name
        for (name,) in query(
            settings,
            "select column_name from duckdb_columns() where table_name = 'alert_log' and comment is not null",
            edition="analyst",
        ).rows
    }
    assert kept == set(COLUMNS) - {"subject", "message"}
    # descriptions of columns travel along
    comment = "select comment from duckdb_columns() where table_name = 'dim_customers' and column_name = 'mrr'"
    assert query(settings, comment, edition="analyst").rows == [("Monthly recurring revenue now",)]


def test_clients_since_duckdb_1_4_can_open_it(settings):
    version = published(settings)
    with duckdb.connect(":memory:") as con:
        con.execute(f"attach '{version.path / 'analyst.duckdb'}' as edition (read_only)")
        (tags,) = con.execute(
            "select tags from duckdb_databases() where database_name = 'edition'"
        ).fetchone()
    assert tags["storage_version"].startswith("v1.4.0")


def test_same_content_makes_no_new_version(settings):
    first = published(settings)
    again = published(settings)
    assert (again.name, again.is_new) == (first.name, False)
    assert versions(settings) == [first.name]


def test_row_order_is_no_content_but_one_changed_value_is(settings):
    first = published(settings)
    shuffled = published(
        settings,
        "create or replace table gold.fact_revenue as select * from gold.fact_revenue order by amount desc",
    )
    assert not shuffled.is_new
    changed = published(
        settings, "update gold.fact_revenue set amount = 100.01 where stripe_invoice_id = 'in_1'"
    )
    assert changed.is_new
    assert changed.name > first.name
    rows = query(
        settings, "select amount from gold.fact_revenue where stripe_invoice_id = 'in_1'"
    ).rows
    assert str(rows[0][0]) == "100.010"


def test_last_bits_of_a_double_are_no_content(settings):
    first = published(settings)
    noise = "update gold.fact_customer_health set health_score = health_score * (1 + 1e-15)"
    assert published(settings, noise).name == first.name
    assert published(settings, "update gold.fact_customer_health set health_score = 80.001").is_new


def test_three_versions_are_kept_and_rollback_goes_back(settings):
    names = [
        published(settings, f"update gold.dim_customers set mrr = {n} where mrr > 0").name
        for n in (1, 2, 3, 4)
    ]
    assert versions(settings) == names[1:]
    assert current_version(settings).name == names[3]
    assert rollback(settings).name == names[2]
    assert query(settings, "select max(mrr) from gold.dim_customers").rows == [(3,)]
    assert rollback(settings).name == names[1]
    with pytest.raises(WarehouseError, match="no earlier version"):
        rollback(settings)


def test_rights_are_owner_only_and_no_stray_file_is_left(settings):
    version = published(settings)
    for path in (settings.published_dir, *settings.published_dir.rglob("*")):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o640)
    names = {path.name for path in version.path.iterdir()}
    assert names == {"analyst.duckdb", "docs", "manifest.json", "restricted.duckdb"}
    assert {path.name for path in settings.published_dir.iterdir()} == {"current", version.name}


# --- going back ------------------------------------------------------------------------------------------------------


def with_mrr(settings, mrr):
    return published(settings, f"update gold.dim_customers set mrr = {mrr} where mrr > 0").name


def mrr_of(settings):
    return query(settings, "select max(mrr) from gold.dim_customers").rows[0][0]


def test_withdrawn_versions_are_passed_over_and_go_first(settings):
    good, bad, worse = (with_mrr(settings, mrr) for mrr in (1, 2, 3))
    assert [rollback(settings).name for _ in range(2)] == [bad, good]
    mended = with_mrr(settings, 4)
    assert versions(settings) == [good, worse, mended]
    assert rollback(settings).name == good
    with pytest.raises(WarehouseError, match="no earlier version") as refused:
        rollback(settings)
    assert refused.value.hint == (
        f"kept versions: {good}, {worse} (withdrawn), {mended} (withdrawn)"
    )


def test_withdrawn_content_is_published_again_only_when_asked_for(settings):
    good, bad = with_mrr(settings, 1), with_mrr(settings, 2)
    rollback(settings)
    with pytest.raises(WarehouseError, match=f"withdrawn by a rollback.*keep {good}") as refused:
        publish(settings)
    assert "publish --again" in refused.value.hint
    assert (current_version(settings).name, mrr_of(settings)) == (good, 1)
    forward = publish(settings, again=True)
    assert forward.is_new
    assert forward.name > bad
    assert mrr_of(settings) == 2
    # it is withdrawn no more, but the version that was gone back from has the same content
    assert not publish(settings).is_new
    assert rollback(settings).name == good


def test_a_rollback_that_was_killed_leaves_nothing_to_publish_again(settings, monkeypatch):
    good, bad = with_mrr(settings, 1), with_mrr(settings, 2)
    with monkeypatch.context() as patched:
        patched.setattr("serving.publish._switch", killed)
        with pytest.raises(KeyboardInterrupt):
            rollback(settings)
    assert current_version(settings).name == bad
    with pytest.raises(WarehouseError, match="withdrawn by a rollback"):
        publish(settings)
    assert rollback(settings).name == good


def killed(*_):
    raise KeyboardInterrupt


# --- damage ----------------------------------------------------------------------------------------------------------


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose(path):
    path.unlink()


def lose_a_row(path):
    path.chmod(0o600)
    with duck.connect(path) as con:
        con.execute("delete from gold.fact_revenue where currency = 'EUR'")


@pytest.mark.parametrize(
    ("edition", "harm"),
    [
        ("restricted", cut_off),
        ("restricted", lose),
        ("restricted", lose_a_row),
        ("analyst", cut_off),
        ("analyst", lose),
    ],
)
def test_a_damaged_current_version_is_made_anew(settings, edition, harm):
    first = published(settings)
    harm(first.path / f"{edition}.duckdb")
    second = publish(settings)
    assert (second.is_new, second.content_hash) == (True, first.content_hash)
    assert query(settings, "select count(*) from gold.fact_revenue", edition=edition).rows == [(3,)]
    assert not publish(settings).is_new


def test_nobody_goes_back_to_a_damaged_version(settings):
    settings = settings.over(keep_versions=4)
    names = [with_mrr(settings, mrr) for mrr in (1, 2, 3, 4)]
    lost = [
        settings.published_dir / name / file
        for name, file in zip(
            names[:3], ("restricted.duckdb", "analyst.duckdb", "manifest.json"), strict=True
        )
    ]
    for path in lost:
        path.rename(settings.home / path.name)
    with pytest.raises(WarehouseError, match="no earlier version") as refused:
        rollback(settings)
    said = [f"{name} (damaged)" for name in names[:3]]
    assert refused.value.hint == f"kept versions: {', '.join([*said, names[3]])}"
    assert mrr_of(settings) == 4
    (settings.home / lost[0].name).rename(lost[0])
    assert rollback(settings).name == names[0]
    assert mrr_of(settings) == 1


def test_damage_is_gone_back_from_and_the_content_is_not_to_blame(settings):
    good, damaged = with_mrr(settings, 1), with_mrr(settings, 2)
    lose(settings.published_dir / damaged / "manifest.json")
    assert rollback(settings).name == good
    assert publish(settings).is_new
    assert mrr_of(settings) == 2


# --- gates -----------------------------------------------------------------------------------------------------------


def test_nothing_is_published_without_gates(settings):
    build_gold(settings)
    with pytest.raises(GateRefused, match="gate 'raw' refused: has never run"):
        publish(settings)
    assert current_version(settings) is None


def test_a_build_after_the_gates_makes_their_word_worthless(settings):
    first = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7")
    with pytest.raises(GateOutdated, match="was built after this gate's last run"):
        publish(settings)
    assert current_version(settings).name == first.name


def test_scores_built_after_gold_passed_keep_golds_word(settings):
    build_gold(settings)
    pass_gates(settings, "raw", "gold")
    ledger.record_build(settings, "ml", NOW)
    pass_gates(settings, "scores")
    assert publish(settings).is_new


def test_failed_gate_blocks_and_is_named(settings):
    build_gold(settings)
    pass_gates(settings)
    bad = (
        "gold.fact_revenue",
        "gold.fact_revenue",
        "amount",
        "amount is never null",
        "completeness",
        "error",
        False,
        "1",
        "1 rows break it",
        "look at the invoice",
    )
    ledger.record_check(
        settings, run_id="r2", gate="gold", passed=False, checked_at=NOW, results=[bad]
    )
    with pytest.raises(
        GateRefused,
        match=r"gold\.fact_revenue\.amount: amount is never null: 1 rows break it; look at the invoice",
    ):
        publish(settings)


# --- the analyst's edition ---------------------------------------------------------------------------------------------


def test_pseudonyms_are_hmac_sha256_and_the_same_in_every_table(settings):
    published(settings)
    expected = hmac.new(settings.pseudonym_key.encode(), b"acc_ada", hashlib.sha256).hexdigest()[
        :32
    ]
    for table in ("dim_customers", "fact_api_usage", "fact_revenue", "customer_churn_scores"):
        rows = query(
            settings, f"select distinct customer_id from gold.{table}", edition="analyst"
        ).rows
        assert (expected,) in rows
    joined = query(
        settings,
        "select count(*) from gold.fact_revenue as r join gold.dim_customers as c using (customer_id)",
        edition="analyst",
    )
    assert joined.rows == [(3,)]


def test_long_and_multibyte_keys_and_values_are_hmac_too(settings):
    key = "schlüssel" * 20
    settings = settings.over(pseudonym_key=key)
    published(settings, "update gold.dim_plans set price_id = 'größe😀'")
    expected = hmac.new(key.encode(), "größe😀".encode(), hashlib.sha256).hexdigest()[:32]
    assert query(settings, "select price_id from gold.dim_plans", edition="analyst").rows == [
        (expected,)
    ]


def test_no_person_is_in_the_analysts_file(settings):
    version = published(settings)
    sql = "select column_name from duckdb_columns() where schema_name = 'gold'"
    columns = {row[0] for row in query(settings, sql, edition="analyst").rows}
    assert not columns & {"email", "company_name", "message"}
    content = (version.path / "analyst.duckdb").read_bytes()
    for canary in (b"ada@example.com", b"Ada Quantum", b"acc_ada", settings.pseudonym_key.encode()):
        assert canary not in content
    assert b"ada@example.com" in (version.path / "restricted.duckdb").read_bytes()


def test_a_view_stays_a_view_over_its_editions_own_tables(settings):
    view = (
        "create view gold.big_revenue as "
        "select id as revenue_id, customer_id, amount_minor from gold.fact_revenue"
    )
    version = published(settings, view)
    assert "big_revenue" not in json.loads((version.path / "manifest.json").read_text())["tables"]
    for edition in ("restricted", "analyst"):
        rows = query(settings, "select * from gold.big_revenue order by all", edition=edition).rows
        mine = "select id, customer_id, amount_minor from gold.fact_revenue order by all"
        assert rows == query(settings, mine, edition=edition).rows != []
    shown = query(settings, "select customer_id from gold.big_revenue", edition="analyst").rows
    assert not any(str(row[0]).startswith("acc_") for row in shown)


def test_null_ids_stay_null_and_the_unknown_member_keeps_its_name(settings):
    published(settings, "update gold.fact_api_usage set customer_id = 'unknown' where response_code = 500",
              "update gold.fact_revenue set subscription_id = null where currency = 'EUR'")  # fmt: skip
    unknown = query(
        settings,
        "select count(*) from gold.fact_api_usage where customer_id = 'unknown'",
        edition="analyst",
    )
    assert unknown.rows == [(6,)]
    assert query(
        settings,
        "select count(*) from gold.fact_revenue where subscription_id is null",
        edition="analyst",
    ).rows == [(1,)]


def test_unclassified_text_is_refused_with_its_name(settings):
    build_gold(settings, "alter table gold.kpi_daily add column reviewer_name varchar")
    pass_gates(settings)
    with pytest.raises(WarehouseError, match=r"gold\.kpi_daily\.reviewer_name") as refused:
        publish(settings)
    assert "serving/pii.yml" in refused.value.hint
    assert current_version(settings) is None
    assert list(settings.published_dir.iterdir()) == []


def test_value_that_names_a_customer_in_a_harmless_column_is_refused(settings):
    first = published(settings)
    for smuggled in ("write to eve@example.org", "acc_ada", "Bob Robotics"):
        build_gold(settings, f"update gold.fact_experiment_exposures set variant = '{smuggled}'")
        pass_gates(settings)
        with pytest.raises(
            WarehouseError, match=r"analyst: gold\.fact_experiment_exposures\.variant holds"
        ):
            publish(settings)
    assert current_version(settings).name == first.name


@pytest.mark.parametrize(
    "named",
    [
        {"acc_ada": "", "acc_bob": "USD", "acc_cid": "Team"},
        {"acc_ada": "tier", "acc_bob": "fintech", "acc_cid": "search"},
    ],
)
def test_customers_who_name_themselves_like_codes_stop_no_publish(settings, named):
    changes = [
        f"update gold.dim_customers set company_name = '{name}' where customer_id = '{customer}'"
        for customer, name in named.items()
    ]
    assert published(
        settings, *changes, "update gold.dim_customers set email = 'Low' where tier = 'Free'"
    ).is_new


@pytest.mark.parametrize("smuggled", ["write to eve@example.org", "acc_ada"])
def test_a_value_that_names_a_customer_in_ops_is_refused(settings, smuggled):
    ledger.record_publish(
        settings, version="v0", content_hash=None, action=smuggled, published_at=NOW
    )
    with pytest.raises(WarehouseError, match=r"analyst: ops\.publishes\.action holds"):
        published(settings)


def test_small_groups_are_left_out(settings):
    published(settings)
    sql = "select industry from gold.kpi_customers_by_industry order by 1"
    assert query(settings, sql).rows == [("fintech",), ("robotics",)]
    assert query(settings, sql, edition="analyst").rows == [("fintech",)]


def test_no_key_no_edition(settings):
    build_gold(settings)
    pass_gates(settings)
    with pytest.raises(WarehouseError, match="PSEUDONYM_KEY is not set"):
        publish(settings.over(pseudonym_key=None))


def test_new_key_gives_a_new_version(settings):
    first = published(settings)
    other = publish(settings.over(pseudonym_key="another-key-0123456789abcdef0123456789"))
    assert other.is_new
    assert other.content_hash != first.content_hash


def test_scores_and_issues_travel_with_both_editions(settings):
    published(settings)
    scores = "select table_name, completeness, timeliness, overall_score, check_count from gold.data_quality_scores order by 1"
    issues = "select table_name, expectation, recommendation from gold.data_quality_issues where is_open and gate = 'raw'"
    for edition in ("restricted", "analyst"):
        assert query(settings, scores, edition=edition).rows == [
            ("gold.dim_customers", 1.0, None, 1.0, 3),
            ("gold.kpi_daily", None, 0.0, 0.0, 3),
        ]
        assert query(settings, issues, edition=edition).rows == [
            ("gold.kpi_daily", "is fresh", "wake it")
        ]
    daily = "select layer, completeness, timeliness, overall_score, tables, lowered_tables from gold.data_quality_daily"
    assert query(settings, daily, edition="analyst").rows == [("gold", 1.0, 0.0, 0.5, 2, 1)]
    # what was found quotes rows
    found = "select detail from gold.data_quality_issues"
    assert ("acc_ada is late",) in query(settings, found).rows
    for hidden in (found, "select detail from ops.check_results"):
        with pytest.raises(CallError, match="detail"):
            query(settings, hidden, edition="analyst")
    described = "select count(*) from duckdb_columns() where table_name like 'data_quality%' and comment is null"
    assert query(settings, described).rows == [(0,)]


# --- crashes and readers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", failpoints.points_of("publish"))
def test_killed_at_any_step_readers_see_a_whole_version(settings, point):
    first = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7 where mrr > 0")
    pass_gates(settings)
    gold = gold_hashes(settings.warehouse_db)
    killed_at(point, publish, settings)
    is_switched = point in ("publish.switched", "publish.recorded")
    mrr = query(settings, "select max(mrr) from gold.dim_customers").rows
    assert mrr == [(7 if is_switched else 150,)]
    # and the next publish puts it right, with nothing left over
    final = publish(settings)
    assert query(settings, "select max(mrr) from gold.dim_customers").rows == [(7,)]
    assert final.name > first.name
    assert ledger.is_published(settings, final.name)
    edition = gold_hashes(final.path / "restricted.duckdb")
    assert not damage({}, {}, gold=(gold, {table: edition[table] for table in gold}))
    assert not [p for p in settings.published_dir.iterdir() if p.name.startswith(".")]


def test_a_version_that_nobody_saw_is_none_to_go_back_to(settings):
    first = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7 where mrr > 0")
    pass_gates(settings)
    killed_at("publish.renamed", publish, settings)
    unseen = versions(settings)[-1]
    assert unseen != first.name
    assert publish(settings).is_new
    assert len(versions(settings)) == 2
    assert rollback(settings).name == first.name


def test_killed_while_an_old_version_is_removed_no_half_of_it_is_left(settings, monkeypatch):
    names = [with_mrr(settings, mrr) for mrr in (1, 2, 3)]

    def die_half_way(folder):
        (folder / "restricted.duckdb").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("serving.publish.shutil.rmtree", die_half_way)
        with pytest.raises(KeyboardInterrupt):
            with_mrr(settings, 4)
    assert versions(settings)[:-1] == names[1:]
    assert not publish(settings).is_new
    assert not [p for p in settings.published_dir.iterdir() if p.name.startswith(".")]


def check_scores(settings):
    check("scores", settings)


def test_a_gate_that_was_killed_clears_nothing(settings):
    before = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7 where mrr > 0")
    killed_at("gate.checked", check_scores, settings)
    with pytest.raises(GateOutdated):
        publish(settings)
    assert current_version(settings).name == before.name


def test_two_publishes_at_once_make_one_version(settings):
    build_gold(settings)
    pass_gates(settings)
    both = [SERVER.Process(target=publish, args=(settings,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(versions(settings)) == 1
    with ledger.ops(settings) as con:
        assert con.execute("select count(*) from publishes").fetchall() == [(1,)]


def test_a_clock_that_goes_back_an_hour_makes_a_newer_version(settings):
    first = published(settings)
    earlier = settings.over(as_of=NOW - timedelta(hours=1))
    second = published(earlier, "update gold.dim_customers set mrr = 7 where mrr > 0")
    assert versions(settings) == [first.name, second.name]
    assert current_version(settings).name == second.name
    assert query(settings, "select max(mrr) from gold.dim_customers").rows == [(7,)]


def test_open_reader_keeps_its_version(settings):
    version = published(settings)
    held = duck.connect(version.path / "restricted.duckdb", read_only=True)
    try:
        for n in (1, 2, 3, 4):
            published(settings, f"update gold.dim_customers set mrr = {n} where mrr > 0")
        assert not version.path.exists()
        assert held.execute("select max(mrr) from gold.dim_customers").fetchone()[0] == 150
    finally:
        held.close()


def test_manifest_says_what_is_in_it(settings):
    version = published(settings)
    said = json.loads((version.path / "manifest.json").read_text())
    assert said["version"] == version.name
    assert said["tables"]["fact_api_usage"] == 300
    assert said["storage_version"] == "v1.4.0"


def test_damaged_manifest_is_replaced_by_the_next_publish(settings):
    first = published(settings)
    (first.path / "manifest.json").write_text("{")
    assert current_version(settings).name == first.name
    second = publish(settings)
    assert second.is_new
    assert json.loads((second.path / "manifest.json").read_text())["version"] == second.name
