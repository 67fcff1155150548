from __future__ import annotations

from pathlib import Path

import pytest

from tests.debian import NotInstalled, find_or_install


def test_what_is_installed_is_returned_without_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_or_install(lambda: Path("/usr/bin/redis-server"), "redis-server") == Path(
        "/usr/bin/redis-server"
    )


def test_where_nothing_can_be_installed_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # Without apt-get, root cannot install anything either.
    with pytest.raises(NotInstalled, match="Install it with `apt install postgresql redis-server`"):
        find_or_install(lambda: None, "postgresql", "redis-server")
