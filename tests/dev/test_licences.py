from __future__ import annotations

from email.message import Message

import pytest

from dev.licences import Package, installed, is_permissive, licence_of, report


@pytest.mark.parametrize(
    "licence",
    [
        *("MIT", "Apache-2.0 OR BSD-2-Clause", "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"),
        *("Apache Software License", "ISC License (ISCL)", "GPL-3.0-only OR MIT", "3-Clause BSD License"),
    ],
)
def test_a_permissive_licence_is_known(licence: str) -> None:
    assert is_permissive(licence)


@pytest.mark.parametrize(
    "licence",
    [
        *("", "Proprietary", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "MPL-2.0", "MIT-like"),
        *("Mozilla Public License 2.0 (MPL 2.0)", "GNU Lesser General Public License v3 (LGPLv3)"),
        "LGPL-2.1 OR GPL-2.0",
    ],
)
def test_everything_else_is_flagged(licence: str) -> None:
    assert not is_permissive(licence)


def metadata(**fields: str) -> Message:
    message = Message()
    for name, value in fields.items():
        for one in value.split("|"):
            message[name.replace("_", "-")] = one
    return message


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License_Expression": "MIT", "License": "see LICENSE"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: MIT License|Typing :: Typed"}, "MIT License"),
        ({"Classifier": "License :: A|License :: B"}, "A AND B"),
        ({"License": "MIT\n\nPermission is hereby"}, "MIT"),
        ({}, ""),
    ],
)
def test_the_licence_is_what_the_metadata_states(fields: dict[str, str], licence: str) -> None:
    assert licence_of(metadata(**fields)) == licence


def test_a_package_that_is_not_permissive_is_listed_again_with_those_that_need_it() -> None:
    lines = report(
        [
            Package("app", "1", "MIT", frozenset({"some-lib"})),
            Package("Some_Lib", "2", "GPL-3.0-only", frozenset()),
            Package("tool", "3", "", frozenset()),
        ]
    )
    assert lines[4:] == [
        "3 packages; not known to be permissive: 2",
        "  Some_Lib: GPL-3.0-only; needed by app",
        "  tool: not stated; needed by this project's development only",
    ]


def test_the_installed_packages_are_read() -> None:
    packages = {package.name.lower(): package for package in installed()}
    assert packages["httpx"].is_permissive
    assert "httpcore" in packages["httpx"].requires
    assert packages["airflow-provider-canfar"].licence == "Apache-2.0"
