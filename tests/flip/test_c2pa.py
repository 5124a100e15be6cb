"""Content credentials (C2PA) that mirroring breaks, as c2pa-python sees them: it signs, and reads what is left."""

from __future__ import annotations

import datetime as dt
import io
import json
from functools import cache
from typing import Any

import pytest
from PIL import Image

from tests.flip.jpegs import drawn
from trio_mirror import flip

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed (the group test-c2pa)")
x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed (the group test-c2pa)")

_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype"


@cache
def signer_info() -> Any:
    """A certificate of today, signed by an authority that nobody trusts, with its key (C2PA 2.1, section 14.5)."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = dt.datetime.now(dt.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "signer")}

    def certificate(name: str, *extensions: tuple[Any, bool]) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "authority")]))
            .public_key(keys[name].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[name].public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys["authority"].public_key()), critical=False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(keys["authority"], hashes.SHA256())

    def usage(*, signs: bool) -> Any:
        others = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        return x509.KeyUsage(
            digital_signature=signs, key_cert_sign=not signs, encipher_only=False, decipher_only=False, **others
        )

    purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
    chain = [
        certificate("signer", (usage(signs=True), True), (purpose, False)),
        certificate("authority", (usage(signs=False), True)),
    ]
    key = keys["signer"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = b"".join(it.public_bytes(serialization.Encoding.PEM) for it in chain)
    return c2pa.C2paSignerInfo(alg=b"es256", sign_cert=pem, private_key=key, ta_url=None)


def signed(image_format: str, media_type: str) -> bytes:
    """A picture with a manifest that says who drew it."""
    plain, out = io.BytesIO(), io.BytesIO()
    drawn(64, 48).save(plain, image_format)
    made = {"action": "c2pa.created", "digitalSourceType": f"{_SOURCES}/algorithmicMedia"}
    manifest = {
        "claim_generator_info": [{"name": "drawn by hand"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [made]}}],
    }
    with c2pa.Signer.from_info(signer_info()) as signer, c2pa.Builder(json.dumps(manifest)) as builder:
        builder.sign(signer, media_type, plain, out)
    return out.getvalue()


def state(data: bytes, media_type: str) -> str | None:
    """What a reader says of a picture's credentials; None if it has none."""
    try:
        with c2pa.Reader(media_type, io.BytesIO(data)) as reader:
            return str(json.loads(reader.json())["validation_state"])
    except c2pa.C2paError.ManifestNotFound:
        return None


@pytest.mark.parametrize(
    ("image_format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("GIF", "image/gif"),
        ("AVIF", "image/avif"),
    ],
)
def test_a_reader_finds_credentials_before_and_none_that_are_invalid_after(image_format: str, media_type: str) -> None:
    before = signed(image_format, media_type)
    assert state(before, media_type) == "Valid"
    once = flip(before)
    assert state(once.data, media_type) is None
    assert any(note.startswith("content credentials taken out") for note in once.notes)
    assert state(flip(before, keep_credentials=True).data, media_type) == "Invalid"
    with Image.open(io.BytesIO(once.data)) as image:
        assert image.size == (64, 48)
