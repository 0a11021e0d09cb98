"""Settings are read whole or not at all, and name every fault with its remedy."""

import base64
import hashlib
from pathlib import Path

import pytest

from app.environment import from_environment
from app.services import keys
from app.settings import DEVELOPMENT_KEY, SettingsError

KEY = base64.b64encode(hashlib.sha256(b"one").digest()).decode()
OTHER = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
PRODUCTION = {
    "PASSERELLE_ENV": "production",
    "PASSERELLE_BASE_URL": "https://pass.example.com/",
    "PASSERELLE_MASTER_KEYS": f"2:{OTHER} 1:{KEY}",
    "PASSERELLE_PASS_TYPE_ID": "pass.com.example.coupons",
    "PASSERELLE_TEAM_ID": "ABCDE12345",
    "PASSERELLE_GOOGLE_ISSUER_ID": "3388000000022222222",
}


def test_an_empty_environment_is_a_development_service() -> None:
    settings = from_environment({})

    assert not settings.production
    assert DEVELOPMENT_KEY in settings.master_keys.values()


def test_a_complete_production_environment_is_read_with_the_newest_key_first() -> None:
    settings = from_environment(PRODUCTION)

    assert settings.production
    assert settings.newest_key_id == 2
    assert list(settings.master_keys) == [2, 1]
    assert settings.base_url == "https://pass.example.com"


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        from_environment(
            {
                "PASSERELLE_ENV": "staging",
                "PASSERELLE_BASE_URL": "pass.example.com",
                "PASSERELLE_DATABASE_URL": "mysql://x",
                "PASSERELLE_MASTER_KEYS": f"one:{KEY},2:short,3:{KEY},3:{OTHER}",
                "PASSERELLE_TEAM_ID": "short",
                "PASSERELLE_THREADS": "0",
            }
        )

    named = sorted(fault.split()[0].removeprefix("PASSERELLE_") for fault in error.value.faults)
    assert named == sorted(
        ["ENV", "BASE_URL", "DATABASE_URL", "TEAM_ID", "THREADS"] + ["MASTER_KEYS"] * 3
    )
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"PASSERELLE_BASE_URL": "http://pass.example.com"}, "BASE_URL"),
        ({"PASSERELLE_MASTER_KEYS": ""}, "MASTER_KEYS"),
        ({"PASSERELLE_PASS_TYPE_ID": ""}, "PASS_TYPE_ID"),
        ({"PASSERELLE_BASE_URL": "https://user:secret@example.com"}, "BASE_URL"),
        ({"PASSERELLE_MASTER_KEYS": f"9:{base64.b64encode(DEVELOPMENT_KEY).decode()}"}, "MASTER"),
    ],
)
def test_production_refuses_what_only_development_may_have(
    change: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        from_environment(PRODUCTION | change)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"7:{KEY}\n")
    settings = from_environment({"PASSERELLE_MASTER_KEYS_FILE": str(path)})

    assert list(settings.master_keys) == [7]


def test_a_secret_given_twice_or_in_an_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        from_environment(
            {
                "PASSERELLE_DATABASE_URL": "sqlite:///x",
                "PASSERELLE_DATABASE_URL_FILE": f"{tmp_path}/absent",
            }
        )

    assert len(error.value.faults) == 2


def test_settings_do_not_show_their_keys() -> None:
    assert "master_keys" not in repr(from_environment({"PASSERELLE_MASTER_KEYS": f"1:{KEY}"}))


def test_postgres_addresses_of_every_spelling_use_psycopg() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        settings = from_environment({"PASSERELLE_DATABASE_URL": f"{scheme}://u:p@h/d"})
        assert settings.database_url == "postgresql+psycopg://u:p@h/d"


@pytest.mark.parametrize(
    "secret",
    [
        bytes(32),
        b"\xff" * 32,
        bytes(range(1, 33)),
        bytes(range(64, 0, -2)),
        b"k3\x00\x91" * 8,
        b"correct horse battery staple 123",
        bytes([1, 2, 3]) + bytes(29),
        DEVELOPMENT_KEY,
    ],
)
def test_production_refuses_a_master_key_that_nobody_drew(secret: bytes) -> None:
    weak = base64.b64encode(secret).decode()
    for given in (f"1:{weak}", f"2:{KEY} 1:{weak}"):
        with pytest.raises(SettingsError, match="MASTER_KEYS") as error:
            from_environment(PRODUCTION | {"PASSERELLE_MASTER_KEYS": given})
        assert weak not in str(error.value)
    assert from_environment({"PASSERELLE_MASTER_KEYS": f"1:{weak}"}).newest_key_id == 1


def test_production_refuses_one_master_key_under_two_ids() -> None:
    with pytest.raises(SettingsError, match="one key under two ids"):
        from_environment(PRODUCTION | {"PASSERELLE_MASTER_KEYS": f"2:{KEY} 1:{KEY}"})


def test_keys_that_are_generated_are_never_weak() -> None:
    for _ in range(200):
        drawn = base64.b64encode(keys.generate({})[1]).decode()
        assert from_environment(PRODUCTION | {"PASSERELLE_MASTER_KEYS": f"1:{drawn}"})


@pytest.mark.parametrize(
    "name",
    ["BASE_URL", "APNS_URL", "GOOGLE_API_URL", "GOOGLE_CALLBACK_KEYS_URL", "GOOGLE_SAVE_URL"],
)
@pytest.mark.parametrize("address", ["http://x.example.com", "HTTP://127.0.0.1:9000"])
def test_production_refuses_every_plain_http_address(name: str, address: str) -> None:
    with pytest.raises(SettingsError, match=name):
        from_environment(PRODUCTION | {f"PASSERELLE_{name}": address})


def test_a_metrics_token_is_long_enough_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="METRICS_TOKEN") as error:
        from_environment({"PASSERELLE_METRICS_TOKEN": "short-secret"})
    assert "short-secret" not in str(error.value)
    settings = from_environment({"PASSERELLE_METRICS_TOKEN": "0123456789abcdef"})
    assert "0123456789abcdef" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PASSERELLE_MASTERKEYS", "PASSERELLE_MASTER_KEYS"),
        ("PASSERELLE_DATABASE_URI", "PASSERELLE_DATABASE_URL"),
        ("PASSERELLE_ORGANIZATION_FILE", "PASSERELLE_ORGANIZATION"),
        ("PASSERELLE_METRICS_TOKEN_FILES", "PASSERELLE_METRICS_TOKEN_FILE"),
        ("passerelle_env", "PASSERELLE_ENV"),
    ],
)
def test_a_misspelt_setting_is_refused_by_the_nearest_ones_name(name: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_environment({name: "x"})

    assert error.value.faults == (f"{name} is no setting: write {nearest}.",)


def test_what_kubernetes_says_of_a_service_called_passerelle_is_no_setting() -> None:
    assert from_environment(
        {
            "PASSERELLE_SERVICE_HOST": "10.0.0.1",
            "PASSERELLE_SERVICE_PORT_HTTP": "80",
            "PASSERELLE_PORT": "tcp://10.0.0.1:80",
            "PASSERELLE_DB_PORT_5432_TCP_ADDR": "10.0.0.2",
        }
    )


def test_a_process_has_at_least_the_two_threads_that_keep_a_till_s_turn() -> None:
    with pytest.raises(SettingsError, match="PASSERELLE_THREADS is '1': use a whole number from 2"):
        from_environment({"PASSERELLE_THREADS": "1"})
    assert from_environment({"PASSERELLE_THREADS": "2"}).threads == 2
