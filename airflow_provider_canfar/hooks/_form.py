"""The connection's form for Airflow 3.1, made of the one description that later versions read by themselves.

From 3.2 on, Airflow takes the form from the provider's metadata, and leaves these methods alone.
"""

from __future__ import annotations

from typing import Any


def connection_form_widgets() -> dict[str, Any]:
    """Return the form's fields beyond the standard ones."""
    # These came with Airflow's old user interface; its API server puts stand-ins in their place.
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
    for name, field in _description()["conn-fields"].items():
        schema = field["schema"]
        validators = [Optional()]
        if choices := [choice for choice in schema.get("enum", ()) if choice is not None]:
            validators.append(any_of(choices))
        make, widget = StringField, BS3TextFieldWidget()
        if "integer" in schema["type"]:
            make = IntegerField
        elif schema.get("format") == "password":
            make, widget = PasswordField, BS3PasswordFieldWidget()
        widgets[name] = make(
            field["label"],
            validators=validators,
            description=field["description"],
            default=schema.get("default"),
            widget=widget,
        )
    return widgets


def ui_field_behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden, and how the others are called."""
    behaviour = _description()["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in behaviour.items()}


def _description() -> dict[str, Any]:
    from airflow_provider_canfar.get_provider_info import get_provider_info

    (connection_type,) = get_provider_info()["connection-types"]
    description: dict[str, Any] = connection_type
    return description
