"""A user creates a connection to the platform, and tests it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from airflow_provider_canfar.connection_form import CONNECTION_FIELDS, FIELD_BEHAVIOUR

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from dev.platforms import Emulator
    from tests.browser.airflow_pages import AirflowPages


def test_the_form_has_the_provider_s_fields_with_labels_placeholders_help_and_masks(
    airflow: AirflowPages, screenshot: Callable[[Page, str], None]
) -> None:
    form = airflow.open_connection_form()
    for name, label in FIELD_BEHAVIOUR["relabeling"].items():
        field = form.get_by_label(label)
        expect(field).to_have_attribute("placeholder", FIELD_BEHAVIOUR["placeholders"][name])
        expect(field).to_have_attribute("type", "password" if name == "password" else "text")
    screenshot(airflow.page, "airflow-connection-form")

    form.get_by_role("button", name="Extra Fields", exact=True).click()
    for name, field_info in CONNECTION_FIELDS.items():
        group = form.get_by_role("group").filter(
            has=airflow.page.get_by_text(field_info["label"], exact=True)
        )
        expect(group).to_contain_text(field_info["description"])
        field = group.locator(f'[name="element_{name}"]')
        masked = field_info["schema"].get("format") == "password"
        expect(field).to_have_count(1)
        expect(form.locator(f'[name="element_{name}"][type="password"]')).to_have_count(int(masked))
    screenshot(airflow.page, "airflow-connection-form-extra")


def test_the_test_button_shows_the_user_and_the_platform(
    airflow: AirflowPages, connection: str, emulator: Emulator, screenshot: Callable[[Page, str], None]
) -> None:
    airflow.test_connection(connection)
    message = f"Connected to {emulator.root}/skaha/v1 as astronomer (bearer token)."
    expect(airflow.notifications).to_contain_text(message)
    screenshot(airflow.page, "airflow-connection-tested")


def test_the_test_button_says_what_to_change(airflow: AirflowPages, emulator: Emulator) -> None:
    airflow.add_connection("canfar_stale", emulator.root, "stale")
    airflow.test_connection("canfar_stale")
    expect(airflow.notifications).to_contain_text("Get a new token")


def test_editing_a_connection_shows_no_secret(
    airflow: AirflowPages, connection: str, emulator: Emulator
) -> None:
    airflow.page.goto(f"{airflow.url}/connections")
    airflow.connection(connection).get_by_role("button", name="Edit Connection").click()
    secret = airflow.dialog.get_by_label("Token or password")
    expect(secret).not_to_have_value("")
    expect(secret).not_to_have_value(emulator.token)
    airflow.dialog.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(airflow.dialog.get_by_text("default", exact=True)).to_be_visible()
