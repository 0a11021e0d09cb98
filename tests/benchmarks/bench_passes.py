"""What a pass, a save link and a barcode cost, against the bare signature or the usual library."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from PIL import Image

from passes import Barcode, PassContent
from passes.apple import Template, WebService
from passes.artwork import Artwork, prepare
from passes.barcode import png
from passes.google import ServiceAccount, save_link
from passes.signing import Signer, throwaway
from tests.benchmarks import Pair, Rounds, benchmark, rate
from tests.passes import samples

_IMAGE_BYTES = 150_000
_LANGUAGES = ("en", "fr")


def _template() -> Template:
    """Return a coupon in two languages with 150 KB of pictures."""
    banner = Image.linear_gradient("L").resize((1125, 432)).point(lambda value: value // 3)
    art = prepare(
        samples.png(samples.logo()),
        samples.png(banner),
        background=samples.BACKGROUND,
        foreground=samples.FOREGROUND,
    )
    files = dict(art.files)
    # Filled up to the size that performance figures are stated for: bytes behind a PNG's end are
    # no part of the picture, and every one of them is hashed and sent.
    missing = _IMAGE_BYTES - sum(map(len, art.apple.values()))
    files["strip@3x.png"] += bytes(missing)
    shared = samples.presentation(Artwork(files))
    return Template(replace(shared, languages=_LANGUAGES))


def _workload(folder: Path) -> tuple[Pair, Template]:
    now = datetime.now(UTC)
    throwaway(folder, now=now)
    signer = Signer.load(folder)
    template = _template()
    shared = template.presentation
    ends = now + timedelta(days=30)
    numbers = count()
    message = bytes(150)

    def build() -> bytes:
        number = next(numbers)
        content = PassContent(
            presentation=shared,
            serial=f"c-{number}",
            barcode=Barcode(payload=f"PA{number:016X}", text=f"GREEN-{number}"),
            valid_until=ends,
        )
        service = WebService("https://passes.example/apple", f"{number:032x}")
        return template.build(content, signer=signer, now=now, web_service=service)

    def sign() -> bytes:
        return signer.key.sign(message, PKCS1v15(), SHA256())

    return Pair(build, sign), template


@benchmark("pkpass-build", goal=0.75, unit="passes/s")
def pkpass_build() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        yield _workload(Path(folder))[0]


@benchmark("google-link", goal=0.92, unit="links/s")
def google_link() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        throwaway(Path(folder), now=now)
        account = ServiceAccount.load(Path(folder))
        numbers = count()
        message = bytes(500)
        yield Pair(
            lambda: save_link(
                account,
                kind="coupon",
                object_id=f"3388000000000000000.c-{next(numbers)}",
                class_id="3388000000000000000.summer",
                now=now,
            ),
            lambda: account.key.sign(message, PKCS1v15(), SHA256()),
        )


@benchmark("qr-png", goal=3, unit="pictures/s")
def qr_png() -> Iterator[Pair]:
    import qrcode

    numbers = count()

    def reference() -> bytes:
        picture = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, box_size=10)
        picture.add_data(f"PA{next(numbers):032X}")
        out = BytesIO()
        picture.make_image().save(out)
        return out.getvalue()

    yield Pair(lambda: png(f"PA{next(numbers):032X}", width=330), reference)


def _serve(pipe: Connection, folder: str) -> None:
    """Measure what is asked for, in a process of its own."""
    pair, _ = _workload(Path(folder))
    calls = {"ours": pair.ours, "reference": pair.reference}
    rate(pair.ours, 0.1)
    pipe.send(0.0)
    while side := pipe.recv():
        pipe.send(rate(calls[side], 0.4))


@benchmark("pkpass-scaling", goal=0.95, unit="times one process")
def pkpass_scaling() -> Iterator[Rounds]:
    """Compare how building scales from one process to two with how bare signing does."""
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes, processes = [], []
        for number in range(2):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, f"{folder}/{number}"))
            process.start()
            pipes.append(here)
            processes.append(process)
        for pipe in pipes:
            pipe.recv()

        def total(side: str, workers: int) -> float:
            for pipe in pipes[:workers]:
                pipe.send(side)
            return sum(pipe.recv() for pipe in pipes[:workers])

        def measure() -> tuple[float, float]:
            return (
                total("ours", 2) / total("ours", 1),
                total("reference", 2) / total("reference", 1),
            )

        try:
            yield Rounds(measure, rounds=9)
        finally:
            for pipe, process in zip(pipes, processes, strict=True):
                pipe.send("")
                process.join()
