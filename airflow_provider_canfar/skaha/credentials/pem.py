"""A certificate's file as people have it, in the form that OpenSSL reads. Pure.

Files come through editors, chats, form fields and environment variables, which add a byte order mark, quotes
or indentation, or lose the line breaks. Programs such as ``openssl pkcs12`` write names above each block, in
any encoding. All of that stands around the base64 text and does not change it.
"""

from __future__ import annotations

import codecs
import re
import textwrap

from airflow_provider_canfar.skaha.secret import Secret

# Labels of RFC 7468, and the older ones that OpenSSL reads. Others, such as EC PARAMETERS, are not needed.
_BLOCK = re.compile(
    r"-----BEGIN ((?:X509 )?CERTIFICATE|(?:[A-Z0-9]+ )?PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL
)

# White space, quotes, a continued line's backslash, a line break written out, and marks without a width.
_AROUND_BASE64 = re.compile(r"""\\+[rnt]?|[\s"',\ufeff\u200b]""")


def decode(content: bytes) -> str:
    """Return a file's text. Only what is around the base64 text can be in another encoding than ASCII."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8", errors="replace")


def normalized(text: str) -> str:
    r"""Return the certificates and keys of a text, in their order, in lines of 64 characters.

    >>> key = "  -----BEGIN PRIVATE KEY-----\\r\\nREVG-----END PRIVATE KEY-----"
    >>> print(normalized("Name: José -----BEGIN CERTIFICATE----- QUJD -----END CERTIFICATE-----" + key))
    -----BEGIN CERTIFICATE-----
    QUJD
    -----END CERTIFICATE-----
    -----BEGIN PRIVATE KEY-----
    REVG
    -----END PRIVATE KEY-----
    <BLANKLINE>

    :raises ValueError: if there is no certificate or no key, or one that only a passphrase opens, or if there
        is something other than base64 text in a block. The message contains nothing of the text.
    """
    text = Secret(text)
    blocks = [(label, Secret(_AROUND_BASE64.sub("", body))) for label, body in _BLOCK.findall(text)]
    labels = [label for label, _ in blocks]
    if not any(label.endswith("CERTIFICATE") for label in labels):
        raise ValueError("there is no whole certificate in it (-----BEGIN CERTIFICATE----- ... -----END ...)")
    if not any(label.endswith("PRIVATE KEY") for label in labels):
        raise ValueError("its private key is missing (-----BEGIN PRIVATE KEY----- ... -----END ...)")
    for label, body in blocks:
        kind = "certificate" if label.endswith("CERTIFICATE") else "private key"
        # The older form has the headers Proc-Type and DEK-Info (RFC 1421).
        if label == "ENCRYPTED PRIVATE KEY" or body.startswith("Proc-Type:"):
            raise ValueError("its private key is encrypted; write one without a passphrase (openssl pkey)")
        if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", body):
            raise ValueError(f"its {kind} has something in it that is not base64 text")
    return "".join(
        "\n".join([f"-----BEGIN {label}-----", *textwrap.wrap(body, 64), f"-----END {label}-----", ""])
        for label, body in blocks
    )
