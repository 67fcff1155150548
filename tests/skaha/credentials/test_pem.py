"""Certificates as people's files, fields and variables have them, for a real OpenSSL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_canfar.skaha.credentials.certificate import load
from airflow_provider_canfar.skaha.credentials.pem import decode, normalized

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

KEYS: dict[str, CertificateIssuerPrivateKeyTypes] = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "EC": ec.generate_private_key(ec.SECP256R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}


def certificate_of(name: str) -> str:
    """Return a certificate that its key has signed."""
    key = KEYS[name]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None if name == "Ed25519" else SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()


def key_of(name: str, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return KEYS[name].private_bytes(Encoding.PEM, form, NoEncryption()).decode()


CERTIFICATE, KEY = certificate_of("RSA"), key_of("RSA")
PEM = CERTIFICATE + KEY

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "byte order mark": lambda pem: "\ufeff" + pem,
    "names above": lambda pem: "Bag Attributes\n    friendlyName: José\nsubject=CN = mcurie\n\n" + pem,
    "CR LF": lambda pem: pem.replace("\n", "\r\n"),
    "CR": lambda pem: pem.replace("\n", "\r"),
    "indented": lambda pem: "".join(f"    {line}\n" for line in pem.splitlines()),
    "a space at each end": lambda pem: pem.replace("\n", "  \n"),
    "blank lines inside": lambda pem: pem.replace("\n", "\n\n"),
    "one line": lambda pem: pem.replace("\n", ""),
    "spaces for line breaks": lambda pem: pem.replace("\n", " "),
    "quoted": lambda pem: f'"{pem}"',
    "JSON": json.dumps,
    "JSON in JSON": lambda pem: json.dumps(json.dumps(pem)),
    "CR LF written out": lambda pem: pem.replace("\n", "\\r\\n"),
    "a program's lines": lambda pem: "".join(f'    "{line}\\n"\n' for line in pem.splitlines()),
    "a shell's lines": lambda pem: pem.replace("\n", "\\\n"),
    "no last line break": str.rstrip,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_certificate_is_loaded_in_any_form(form: Callable[[str], str]) -> None:
    text = form(PEM)
    assert normalized(text) == PEM
    assert load(text).subject == "CN=RSA"


@pytest.mark.parametrize("name", KEYS)
def test_a_certificate_is_loaded_with_any_kind_of_key(name: str) -> None:
    forms = (
        [PrivateFormat.PKCS8]
        if name == "Ed25519"
        else [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]
    )
    for form in forms:
        assert load(certificate_of(name) + key_of(name, form)).subject == f"CN={name}"


def test_the_key_may_come_first() -> None:
    assert load(KEY + CERTIFICATE).subject == "CN=RSA"


def test_a_chain_may_be_longer() -> None:
    for text in (
        PEM + certificate_of("EC") + certificate_of("Ed25519"),
        CERTIFICATE + certificate_of("EC") + KEY,
    ):
        assert load(text).subject == "CN=RSA"


def test_what_openssl_writes_beside_them_is_left_out() -> None:
    """``openssl ecparam -genkey`` writes the curve above the key."""
    curve = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    text = certificate_of("EC") + curve + key_of("EC", PrivateFormat.TraditionalOpenSSL)
    assert "PARAMETERS" not in normalized(text)
    assert load(text).subject == "CN=EC"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "cp1252"])
def test_a_file_may_have_any_encoding(encoding: str) -> None:
    assert normalized(decode(f"friendlyName: José\n{PEM}".encode(encoding))) == PEM


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no whole certificate"),
        (CERTIFICATE[:-20] + KEY, "no whole certificate"),
        (CERTIFICATE, "private key is missing"),
        (
            CERTIFICATE + KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"),
            "encrypted; write one without a passphrase",
        ),
        (CERTIFICATE + KEY.replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n", 1), "encrypted"),
        (CERTIFICATE + KEY.replace("MII", "M<I"), "its private key has something in it that is not base64"),
        (CERTIFICATE + key_of("EC"), "of another certificate"),
    ],
    # They differ each time, and so would the tests' names.
    ids=["empty", "cut", "keyless", "encrypted", "encrypted-legacy", "not-base64", "foreign-key"],
)
def test_the_error_says_what_is_wrong_and_shows_nothing_of_it(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as rejection:
        load(text)
    assert not any(line in str(rejection.value) for line in KEY.splitlines()[1:-1])


@given(noise=st.lists(st.text(" \t\r\n\"',\ufeff\u200b", max_size=4), max_size=len(PEM.splitlines())))
def test_no_noise_changes_a_certificate(noise: list[str]) -> None:
    noisy = "".join(line + end for line, end in zip_longest(PEM.splitlines(), noise, fillvalue="\n"))
    assert normalized(noisy) == PEM
    assert normalized(normalized(noisy)) == PEM
