"""The connection's form, in each version of Airflow, and its test."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

from airflow_provider_canfar.get_provider_info import get_provider_info
from airflow_provider_canfar.hooks._settings import Settings
from airflow_provider_canfar.hooks.canfar import CanfarHook
from airflow_provider_canfar.skaha.credentials import Certificate, Login, OidcRefresh, Token
from airflow_provider_canfar.testing import CONNECTION_VARIABLE, Emulator, running_emulator

(CONNECTION_TYPE,) = get_provider_info()["connection-types"]
FIELDS = CONNECTION_TYPE["conn-fields"]

#: What Airflow masks in a connection's extra, by the field's name (DEFAULT_SENSITIVE_FIELDS).
MASKED = ("password", "secret", "token", "private_key", "proxy")


def test_the_metadata_matches_airflows_schema_of_a_provider() -> None:
    """Airflow does not validate it when it reads it: a misspelt word would be ignored silently."""
    schema = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())
    jsonschema.validate([CONNECTION_TYPE], schema["properties"]["connection-types"])


# Airflow 3.1 loads an old Flask, which warns. Airflow 3.2 warns of its own ProvidersManager.hooks.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:ProvidersManager.hooks is deprecated")
def test_airflows_page_has_the_fields_with_labels_help_and_masks() -> None:
    HookMetaService.hook_meta_data.cache_clear()
    (shown,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "canfar"]
    assert shown.hook_name == "CANFAR Science Platform"
    assert shown.standard_fields is not None
    assert shown.standard_fields.host is not None
    assert shown.standard_fields.host.title == "Service URL"
    assert shown.standard_fields.host.placeholder == "https://ws-uv.canfar.net/skaha/v1"
    assert shown.standard_fields.port is not None
    assert not shown.standard_fields.port.hidden
    assert shown.standard_fields.url_schema is not None
    assert shown.standard_fields.url_schema.hidden
    assert shown.extra_fields is not None
    assert list(shown.extra_fields) == list(FIELDS)
    for name, field in shown.extra_fields.items():
        assert field["schema"]["title"] == FIELDS[name]["label"]
        assert field["description"]


@pytest.fixture(name="old_interface")
def _old_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the stand-ins that Airflow 3.1's API server has for its old user interface."""
    stand_ins: dict[str, dict[str, Any]] = {
        "wtforms": {
            "StringField": HookMetaService.MockStringField,
            "IntegerField": HookMetaService.MockIntegerField,
            "PasswordField": HookMetaService.MockPasswordField,
        },
        "wtforms.validators": {
            "Optional": HookMetaService.MockOptional,
            "any_of": HookMetaService.MockEnum,
        },
        "flask_appbuilder": {},
        "flask_appbuilder.fieldwidgets": {
            "BS3TextFieldWidget": HookMetaService.MockAnyWidget,
            "BS3PasswordFieldWidget": HookMetaService.MockAnyWidget,
        },
    }
    for name, contents in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)


def test_airflow_3_1_shows_the_same_form(old_interface: None) -> None:
    widgets = CanfarHook.get_connection_form_widgets()
    assert list(widgets) == list(FIELDS)
    for name, widget in widgets.items():
        shown, described = widget.param.dump(), FIELDS[name]
        assert shown["schema"]["title"] == described["label"]
        assert shown["description"] == described["description"]
        assert shown["schema"]["type"] == described["schema"]["type"]
        assert (shown["schema"].get("format") == "password") == (
            described["schema"].get("format") == "password"
        )
        choices = [choice for choice in described["schema"].get("enum", ()) if choice]
        assert shown["schema"].get("enum", []) == choices


def test_airflow_3_1_finds_the_form_where_it_looks() -> None:
    """In the hook's class itself: Airflow attributes an inherited form to another hook (ProvidersManager)."""
    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= vars(CanfarHook).keys()


def test_airflow_3_1_hides_and_renames_the_same_standard_fields() -> None:
    described = CONNECTION_TYPE["ui-field-behaviour"]
    shown = CanfarHook.get_ui_field_behaviour()
    assert shown["hidden_fields"] == described["hidden-fields"]
    assert shown["relabeling"] == described["relabeling"]
    assert shown["placeholders"] == described["placeholders"]


def test_secrets_are_masked_in_the_form_and_by_their_names_everywhere_else() -> None:
    """And other fields are not: a masked URL could not be corrected."""
    for name, field in FIELDS.items():
        is_secret = field["schema"].get("format") == "password"
        assert any(word in name for word in MASKED) is is_secret, name


@pytest.mark.parametrize(
    ("fields", "credential"),
    [
        ({"password": "t"}, Token),
        ({"login": "jdoe", "password": "p"}, Login),
        ({"extra": {"certificate": "/secrets/cadcproxy.pem"}}, Certificate),
        ({"extra": {"proxy_certificate": "-----BEGIN CERTIFICATE-----..."}}, Certificate),
        (
            {
                "extra": {
                    "client_id": "c",
                    "client_secret": "s",
                    "refresh_token": "r",
                    "client_auth": "client_secret_post",
                }
            },
            OidcRefresh,
        ),
    ],
)
def test_the_fields_of_the_form_make_each_credential(fields: dict[str, Any], credential: type) -> None:
    # An empty field arrives as None, or as an empty string.
    extra = dict.fromkeys(FIELDS, None) | fields.get("extra", {})
    settings = Settings.from_fields(
        host=None,
        port=None,
        schema=None,
        login=fields.get("login"),
        password=fields.get("password"),
        extra=extra,
    )
    assert isinstance(settings.credential, credential)


def test_each_field_of_the_form_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field without effect would be a broken promise."""
    used: set[str] = set()

    class Extra(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            used.add(name)
            return super().get(name, default)

        def items(self) -> Any:
            used.update({"certificate", "proxy_certificate", "login_url", "certificate_url", "oidc_url"})
            used.update({"client_id", "client_secret", "client_auth", "refresh_token"})
            return super().items()

    # Its values are hidden first, in a mapping of another class.
    monkeypatch.setattr("airflow_provider_canfar.hooks._settings.concealed", lambda fields: fields)
    Settings.from_fields(
        host=None, port=None, schema=None, login=None, password="t", extra=Extra({"timeout": 5})
    )
    assert used == set(FIELDS)


@pytest.fixture(name="platform", scope="module")
def _platform() -> Iterator[Emulator]:
    with running_emulator(user="mcurie", password="correct-horse") as emulator:
        yield emulator


def press_test(monkeypatch: pytest.MonkeyPatch, connection: dict[str, Any]) -> tuple[bool, str]:
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))
    return CanfarHook().test_connection()


def test_the_connection_test_shows_the_url_and_the_user(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeded, message = press_test(monkeypatch, platform.connection)
    assert succeeded
    storage = platform.url.replace("/skaha/v1", "/arc")
    assert message == (
        f"Connected to {platform.url} as mcurie (bearer token). The storage for arc:// paths is {storage}."
    )


def test_the_connection_test_names_the_field_of_a_storage_that_cannot_be_reached(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = {"extra": {"storage_url": "http://127.0.0.1:9/arc"}}
    _, message = press_test(monkeypatch, platform.connection | storage)
    assert "check the host and storage_url in the connection" in message


@pytest.mark.parametrize(("path", "words"), [("nowhere", "does not respond"), ("skaha", "is not a storage")])
def test_the_connection_test_says_that_the_storage_is_not_there_and_succeeds(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    url = platform.url.replace("skaha/v1", path)
    succeeded, message = press_test(monkeypatch, platform.connection | {"extra": {"storage_url": url}})
    assert succeeded
    assert words in message


def test_the_connection_test_shows_the_expiry(platform: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    root = platform.url.partition("/skaha/")[0]
    login = {"login": "mcurie", "password": "correct-horse", "extra": {"login_url": f"{root}/ac/login"}}
    succeeded, message = press_test(monkeypatch, platform.connection | login)
    assert succeeded, message
    assert "(token for the user name and password, expires 20" in message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "stale"}, "Get a new token"),
        ({"password": ""}, "Missing credential"),
        ({"host": "http://127.0.0.1:9/skaha/v1"}, "No response from"),
        ({"host": "http://elsewhere.example/skaha/v1"}, "must use https"),
        ({"extra": {"timeout": "soon"}}, r"Invalid timeout (text of 4 characters)"),
    ],
)
def test_the_connection_test_says_what_to_change(
    platform: Emulator, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], message: str
) -> None:
    succeeded, result = press_test(monkeypatch, platform.connection | wrong)
    assert not succeeded
    assert message in result
    assert "in the connection '" not in result, "Airflow makes up an id for what the form holds"
