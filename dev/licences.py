"""``make licences``: the licence of each installed package, and which of them are not permissive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import distributions

#: Words and names of licences that ask for no more than to be named; SPDX identifiers and PyPI's classifiers.
PERMISSIVE = re.compile(
    r"0BSD|Apache( Software License|-2\.0)|(3-Clause )?BSD( License|-[23]-Clause)|CC0-1\.0|DFSG approved"
    r"|ISC( License)?|MIT( License|-0|-CMU)?|PSF-2\.0|Python Software Foundation License"
    r"|(The )?Unlicense|Zlib",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Package:
    """An installed package.

    :param name: its name.
    :param version: its version.
    :param licence: as its metadata has it; an SPDX expression if it has one.
    :param requires: the names of the packages that it needs, without those of its extras.
    """

    name: str
    version: str
    licence: str
    requires: frozenset[str]

    @property
    def is_permissive(self) -> bool:
        """Whether its licence is known to be permissive."""
        return is_permissive(self.licence)


def is_permissive(licence: str) -> bool:
    """Return whether a licence is known to be permissive: with OR one part is enough, with AND all count.

    >>> is_permissive("Apache-2.0 OR GPL-3.0-only"), is_permissive("MIT AND MPL-2.0"), is_permissive("")
    (True, False, False)
    """
    without_abbreviations = re.sub(r"(?<=[a-z]) \([^)]*\)", "", licence)
    parts = without_abbreviations.split(" AND ")
    return all(any(PERMISSIVE.fullmatch(one.strip(" ()")) for one in part.split(" OR ")) for part in parts)


def licence_of(metadata: Message) -> str:
    """Return the licence that a package's metadata states; empty where it states none.

    Several classifiers do not say whether all of them hold or a user may choose, so all count.
    """
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [str(one) for one in metadata.get_all("Classifier", [])]
    names = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: ")]
    if names:
        return " AND ".join(names)
    return next(iter(str(metadata.get("License") or "").strip().splitlines()), "")


def installed() -> list[Package]:
    """Return the packages of this environment, by name."""
    packages = []
    for distribution in distributions():
        # The metadata is an email message; the standard library's types show only a part of it.
        metadata = distribution.metadata
        assert isinstance(metadata, Message)  # noqa: S101 - for mypy
        needed = frozenset(_requirement(one) for one in distribution.requires or () if "extra ==" not in one)
        name = str(metadata["Name"])
        packages.append(Package(name, distribution.version, licence_of(metadata), needed))
    return sorted(packages, key=lambda package: package.name.lower())


def report(packages: Iterable[Package]) -> list[str]:
    """Return the lines of the list; the packages that are not permissive stand below, and who needs them."""
    packages = list(packages)
    lines = [f"{one.name:<44}{one.version:<16}{one.licence or 'not stated'}" for one in packages]
    others = [one for one in packages if not one.is_permissive]
    lines += ["", f"{len(packages)} packages; not known to be permissive: {len(others)}"]
    for one in others:
        users = [user.name for user in packages if _normalized(one.name) in user.requires]
        needed = f"needed by {', '.join(users)}" if users else "needed by this project's development only"
        lines.append(f"  {one.name}: {one.licence or 'not stated'}; {needed}")
    return lines


def _requirement(text: str) -> str:
    return _normalized(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0])


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    print(*report(installed()), sep="\n")
