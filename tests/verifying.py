"""How tests judge a pass: openssl over the signature, a strict reader over the rest."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import zxingcpp
from PIL import Image


def pass_json(data: bytes) -> dict[str, Any]:
    """The `pass.json` of a `.pkpass`."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        found: dict[str, Any] = json.loads(package.read("pass.json"))
    return found


def is_genuine(data: bytes, *, root: Path) -> bool:
    """Whether openssl accepts the signature and the manifest names exactly what is there."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        contents = {name: package.read(name) for name in package.namelist()}
    manifest, signature = contents.pop("manifest.json"), contents.pop("signature")
    digests = {
        name: hashlib.sha1(content, usedforsecurity=False).hexdigest()
        for name, content in contents.items()
    }
    return json.loads(manifest) == digests and openssl_verifies(manifest, signature, root=root)


def openssl_verifies(manifest: bytes, signature: bytes, *, root: Path) -> bool:
    """Whether `openssl cms -verify` accepts a detached signature over these bytes."""
    with tempfile.TemporaryDirectory() as folder:
        content, signed = Path(folder) / "manifest.json", Path(folder) / "signature"
        content.write_bytes(manifest)
        signed.write_bytes(signature)
        done = subprocess.run(
            [
                *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"),
                *("-in", signed, "-content", content, "-CAfile", root),
                *("-out", "/dev/null", "-no_check_time"),
            ],
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def read_barcode(picture: bytes) -> str:
    """What a scanner reads in a picture; fails if it reads nothing or several things."""
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert len(found) == 1, f"{len(found)} barcodes were read."
    return str(found[0].text)
