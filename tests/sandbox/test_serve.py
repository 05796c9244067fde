"""The server process: there when it is needed, gone afterwards, whatever happens to us."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest
import requests

from sandbox.serve import STRIPE_KEY, running
from warehouse.errors import CallError
from warehouse.settings import PROJECT_ROOT, Settings


def servers_of(settings: Settings) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "sandbox.serve" in (process.info["cmdline"] or [])
        and str(settings.home) in process.info["cmdline"]
    ]


def test_all_sources_are_within_reach(company):
    with running(company) as settings:
        assert settings.stripe_api_base.startswith("http://127.0.0.1:")
        users = requests.get(
            f"{settings.support_base_url}/api/v2/users.json",
            headers={"Authorization": f"Bearer {settings.support_token}"},
            timeout=30,
        )
        assert users.json()["users"]
        assert users.json()["links"]["next"].startswith(settings.support_base_url)
        customers = requests.get(
            f"{settings.stripe_api_base}/v1/customers",
            headers={"Authorization": f"Bearer {settings.stripe_api_key}"},
            timeout=30,
        )
        assert customers.json()["data"]
        assert settings.stripe_api_key == STRIPE_KEY
        assert settings.usage_location == str(company.sandbox_dir / "usage")
        assert settings.product_db_url == f"sqlite:///{company.sandbox_dir / 'product.sqlite'}"
        assert settings.inputs_location == str(company.sandbox_dir / "inputs")
        assert len(servers_of(company)) == 1
    assert servers_of(company) == []


def test_the_server_ends_with_an_error_too(company):
    with pytest.raises(RuntimeError), running(company):
        raise RuntimeError("something")
    assert servers_of(company) == []


def test_settings_that_point_somewhere_stay(company):
    mine = company.over(
        stripe_api_base="http://127.0.0.1:1/stripe",
        stripe_api_key="rk_live_mine",
        support_base_url="http://127.0.0.1:1/support",
        support_token="mine",
        usage_location="/somewhere",
    )
    with running(mine) as settings:
        assert servers_of(company) == []
        assert settings.stripe_api_key == "rk_live_mine"
        assert settings.support_token == "mine"
        assert settings.usage_location == "/somewhere"
        assert settings.product_db_url


def test_a_key_of_ones_own_is_not_sent_to_the_sandbox(company):
    with running(company.over(stripe_api_key="sk_live_my_own")) as settings:
        assert settings.stripe_api_key == STRIPE_KEY


def test_nested_blocks_share_a_server(company):
    with running(company) as outer, running(outer) as inner:
        assert inner == outer
        assert len(servers_of(company)) == 1


def test_real_mode_is_left_alone(tmp_path):
    settings = Settings.for_test(tmp_path, mode="real")
    with running(settings) as same:
        assert same is settings


def test_without_a_company_the_way_out_is_named(tmp_path):
    with pytest.raises(CallError) as error, running(Settings.for_test(tmp_path)):
        pass
    assert "warehouse sandbox create" in error.value.hint


def test_without_a_company_ones_own_sources_still_work(tmp_path):
    settings = Settings.for_test(tmp_path, usage_location="/my/logs")
    with running(settings) as same:
        assert same.usage_location == "/my/logs"
        assert same.stripe_api_base is None


def test_the_server_ends_when_its_parent_is_killed(company):
    program = (
        "import sys, time\n"
        "from sandbox.serve import running\n"
        "from warehouse.settings import Settings\n"
        f"with running(Settings.for_test({str(company.home)!r})):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=PROJECT_ROOT
    )
    assert parent.stdout.readline() == b"up\n"
    assert len(servers_of(company)) == 1
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while servers_of(company) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert servers_of(company) == []


def test_the_server_sees_the_company_move_on(tmp_path):
    from sandbox import world

    settings = Settings.for_test(tmp_path)
    world.create(settings, customers=20, months=2, calls=500)
    with running(settings) as reachable:
        address = reachable.stripe_api_base.removesuffix("/stripe") + "/health"
        before = requests.get(address, timeout=30).json()["now"]
        world.advance(settings, 1)
        after = requests.get(address, timeout=30).json()["now"]
    assert (before[:10], after[:10]) == ("2024-03-01", "2024-03-02")
