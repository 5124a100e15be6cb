"""XMP packets in the forms that RDF allows: properties as elements or attributes, with any prefix and quotes."""

from __future__ import annotations

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
FORMS = ("elements", "attributes", "description", "qualified")


def packet(*properties: str, padding: int = 0) -> bytes:
    """A packet of these properties."""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="">{"".join(properties)}</rdf:Description></rdf:RDF>'
        f'</x:xmpmeta>{" " * padding}<?xpacket end="w"?>'
    )
    return text.encode()


def structure(space: str, name: str, fields: dict[str, str], form: str = "elements", prefix: str = "p") -> str:
    """A structure of simple fields, all of one namespace."""
    declared = f"xmlns:{prefix}='{space}'"
    attributes = " ".join(f"{prefix}:{field} = '{value}'" for field, value in fields.items())
    elements = "".join(f"<{prefix}:{field}>{value}</{prefix}:{field}>" for field, value in fields.items())
    if form == "attributes":
        return f"<{prefix}:{name} {declared} {attributes}/>"
    if form == "description":
        return f"<{prefix}:{name} {declared}><rdf:Description {attributes}/></{prefix}:{name}>"
    if form == "qualified":
        elements = "".join(
            f"<{prefix}:{field} rdf:parseType='Resource'><rdf:value>{value}</rdf:value><q:by xmlns:q='q:'>me</q:by>"
            f"</{prefix}:{field}>"
            for field, value in fields.items()
        )
    return f'<{prefix}:{name} {declared} rdf:parseType="Resource">{elements}</{prefix}:{name}>'
