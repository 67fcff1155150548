"""Builds and checks a release, and prints the two commands that publish it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
NOTES = ROOT / "build" / "release-notes.md"

PACKAGE = "airflow_provider_canfar"

#: What the wheel needs only for an extra, in pytest, or beside another provider.
OPTIONAL = (
    *("multipart", "pytest", "python_multipart", "starlette", "uvicorn", "yaml"),
    "airflow.providers.openlineage",
)

#: Imports every module, and prints those that need something else than Airflow and the wheel.
IMPORT_ALL = f"""
import importlib, pkgutil, {PACKAGE} as package
names = [one.name for one in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        is_beside = name.endswith("._lineage_facets") or ".emulator" in name or error.name == "pytest"
        if not (error.name.startswith({OPTIONAL!r}) and is_beside):
            raise
print(len(names), "modules")
"""

_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)")


def notes_of(changelog: str, version: str) -> str:
    """Return what the changelog says about a version.

    :raises ValueError: when it says nothing, or the section has no date.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with entries.")
    return section[1].strip() + "\n"


def next_steps(changelog: str, version: str) -> str:
    """Return the commands that publish a version; if changes have none yet, how to give them one."""
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased is not None and unreleased[1].strip():
        return (
            f"Not ready to publish: the notes of {version} lack what CHANGELOG.md lists under Unreleased. "
            "Move these entries under a version, and set that version in pyproject.toml and CITATION.cff."
        )
    return (
        "These two commands publish it:\n\n"
        f"  gh release create v{version} --title v{version} --notes-file {NOTES.relative_to(ROOT)} dist/*\n"
        "  .venv/bin/twine upload dist/*"
    )


def missing_from(wheel: Iterable[str], sources: Iterable[str]) -> set[str]:
    """Return the source files that a wheel lacks."""
    return set(sources) - set(wheel)


def foreign_in(wheel: Iterable[str]) -> set[str]:
    """Return the files of a wheel that are neither the package nor its metadata."""
    return {name for name in wheel if not re.match(rf"{PACKAGE}(-[^/]+\.dist-info)?/", name)}


def relative_links(description: str) -> list[str]:
    """Return the links and pictures that a package index cannot show."""
    return _LINK.findall(description)


def check_wheel(wheel: Path) -> None:
    """Check a wheel's files, and the page that an index makes of its description.

    :raises ValueError: when something is missing or too much.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        description = str(message_from_bytes(archive.read(metadata)).get_payload())
    sources = [
        str(path.relative_to(ROOT))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    problems = {
        "It lacks": missing_from(names, sources),
        "It should not have": foreign_in(names),
        "An index page cannot follow": relative_links(description),
    }
    found = [f"{text}: {', '.join(sorted(what))}." for text, what in problems.items() if what]
    if found:
        raise ValueError(f"{wheel.name}: {' '.join(found)}")


def check_imports(wheel: Path, uv: str) -> None:
    """Install a wheel alone, and import all that needs no extra."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        run(uv, "venv", "--quiet", "--python", sys.executable, f"{folder}/venv")
        run(uv, "pip", "install", "--quiet", "--python", str(python), str(wheel))
        run(str(python), "-c", IMPORT_ALL, cwd=Path(folder))


def run(*command: str, cwd: Path = ROOT) -> None:
    """Run a program, which must succeed."""
    subprocess.run(command, cwd=cwd, check=True)


def main(uv: str) -> None:
    """Build and check; publish nothing."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    notes = notes_of(changelog, version)
    shutil.rmtree(DIST, ignore_errors=True)
    run(uv, "build", "--quiet", "--out-dir", str(DIST))
    files = [str(path) for path in DIST.iterdir() if path.suffix in (".whl", ".gz")]
    run(sys.executable, "-m", "twine", "check", "--strict", *files)
    (wheel,) = DIST.glob("*.whl")
    check_wheel(wheel)
    check_imports(wheel, uv)
    NOTES.parent.mkdir(exist_ok=True)
    NOTES.write_text(notes)
    print(f"\n{wheel.name} is complete, and can be imported. {next_steps(changelog, version)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
