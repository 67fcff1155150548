"""The connection's form for Airflow 3.1, built from what ``connection_form.py`` says.

From 3.2 on, Airflow builds the form from the provider's metadata, and does not call these methods.
"""

from __future__ import annotations

from typing import Any


def connection_form_widgets() -> dict[str, Any]:
    """Return the form's fields beyond the standard ones."""
    # These are part of Airflow's old user interface; its API server replaces them with stand-ins.
    from flask_appbuilder.fieldwidgets import (  # type: ignore[import-not-found]  # Not with Airflow 3.3.
        BS3PasswordFieldWidget,
        BS3TextFieldWidget,
    )
    from wtforms import (  # type: ignore[import-untyped]  # Not with Airflow 3.3.
        IntegerField,
        PasswordField,
        StringField,
    )
    from wtforms.validators import (  # type: ignore[import-untyped]  # Not with Airflow 3.3.
        Optional,
        any_of,
    )

    widgets = {}
    for name, field in _connection_type()["conn-fields"].items():
        schema = field["schema"]
        validators = [Optional()]
        if choices := [choice for choice in schema.get("enum", ()) if choice is not None]:
            validators.append(any_of(choices))
        field_class, widget = StringField, BS3TextFieldWidget()
        if "integer" in schema["type"]:
            field_class = IntegerField
        elif schema.get("format") == "password":
            field_class, widget = PasswordField, BS3PasswordFieldWidget()
        widgets[name] = field_class(
            field["label"],
            validators=validators,
            description=field["description"],
            default=schema.get("default"),
            widget=widget,
        )
    return widgets


def ui_field_behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden, and the labels of the others."""
    behaviour = _connection_type()["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}


def _connection_type() -> dict[str, Any]:
    from airflow_provider_canfar.get_provider_info import get_provider_info

    (connection_type,) = get_provider_info()["connection-types"]
    metadata: dict[str, Any] = connection_type
    return metadata
