"""OpenSSL as the judge of signatures."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile


def unzip(package: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(package)) as archive:
        assert archive.testzip() is None
        return {each.filename: archive.read(each) for each in archive.infolist()}


def verifies(
    manifest: bytes, signature: bytes, certificates: Path, folder: Path, *, at: float
) -> bool:
    """Tell whether openssl accepts the detached signature over exactly these bytes."""
    (folder / "manifest").write_bytes(manifest)
    (folder / "signature").write_bytes(signature)
    root = certificates / "apple" / "root.pem"
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any"]
    command += ["-in", str(folder / "signature"), "-content", str(folder / "manifest")]
    command += ["-CAfile", str(root), "-attime", str(int(at)), "-out", "/dev/null"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
