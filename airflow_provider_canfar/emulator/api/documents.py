"""The service's XML documents."""

from __future__ import annotations

CAPABILITIES = """\
<?xml version="1.0" encoding="UTF-8"?>
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
    xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{capabilities}
</vosi:capabilities>
"""

CAPABILITY = """\
  <capability standardID="{standard}">
    <interface xsi:type="vs:ParamHTTP" role="std" version="1.0">
      <accessURL use="{use}">{url}</accessURL>{methods}
    </interface>
  </capability>"""

SECURITY_METHODS = "".join(
    f'\n      <securityMethod standardID="{method}" />'
    for method in (
        "ivo://ivoa.net/sso#cookie",
        "ivo://ivoa.net/sso#tls-with-certificate",
        "ivo://ivoa.net/sso#token",
    )
)

AVAILABILITY = """\
<?xml version="1.0" encoding="UTF-8"?>
<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">
  <vosi:available>true</vosi:available>
  <vosi:note>service is accepting requests</vosi:note>
</vosi:availability>
"""

USER = """\
<?xml version="1.0" encoding="UTF-8"?>
<user>
  <identities>
    <identity type="HTTP">{user}</identity>
  </identities>
</user>
"""


def capabilities(service: str) -> str:
    """Return the document at ``/skaha/capabilities``.

    :param service: the service's URL, up to ``/skaha``.
    """
    entries = [
        CAPABILITY.format(
            standard="ivo://ivoa.net/std/VOSI#capabilities",
            use="base",
            url=f"{service}/capabilities",
            methods="",
        ),
        CAPABILITY.format(
            standard="ivo://ivoa.net/std/VOSI#availability",
            use="base",
            url=f"{service}/availability",
            methods="",
        ),
    ]
    entries += [
        CAPABILITY.format(
            standard=f"http://www.opencadc.org/std/platform#{part}-1",
            use="base",
            url=f"{service}/v1/{part}",
            methods=SECURITY_METHODS,
        )
        for part in ("session", "context", "image", "repository")
    ]
    return CAPABILITIES.format(capabilities="\n".join(entries))
