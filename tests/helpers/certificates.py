"""Certificates for servers on loopback."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_ELLIPTIC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
_SUBJECT = ("-subj", "/CN=gallery", "-addext", "subjectAltName=IP:127.0.0.1")


def self_signed(folder: Path) -> Path:
    """Makes a self-signed certificate with its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificate")
    file = folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", *_ELLIPTIC, *_SUBJECT, "-keyout", file, "-out", file],
        check=True,
        capture_output=True,
    )
    return file
