"""What a server's memory grows by with the campaigns that it has shown."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from app.domain.campaign import Look, Presentation
from app.services import campaigns
from app.services.campaigns import pictures
from app.services.campaigns.pictures import keep, prepared
from app.services.deployment import Deployment
from app.services.wallets.content import template_of
from app.settings import Settings
from app.store import migrations
from app.store.models import Campaign
from passes.signing import throwaway
from tests.benchmarks import Figure, benchmark
from tests.storefront import TEXTS, Storefront

COUNTS = (10, 100, 1_000)
#: Campaigns whose pictures the measured process makes itself, from the largest originals.
MADE = 2
LARGEST = (6_000, 2_304)


@benchmark("campaign-memory")
def campaign_memory() -> Iterator[Figure]:
    """The most memory of a process that showed 10, 100 and 1,000 campaigns, the largest against
    the smallest; each has the largest pictures that a campaign may have.
    """
    peaks = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            for part in ("fill", "show"):
                done = subprocess.run(
                    [
                        sys.executable,
                        "-m",
                        "tests.benchmarks.bench_memory",
                        part,
                        folder,
                        str(count),
                    ],
                    check=True,
                    capture_output=True,
                    text=True,
                )
            peaks[count] = float(done.stdout)
    said = ", ".join(f"{peak:.0f} MB after {count:,}" for count, peak in peaks.items())
    grown = peaks[COUNTS[-1]] / peaks[COUNTS[0]]
    yield Figure(f"{said}: {grown:.2f} (goal at most 1.3)")


def _deployment(folder: Path) -> Deployment:
    settings = Settings(
        database_url=f"sqlite:///{folder}/shop.sqlite",
        queue_url=f"sqlite:///{folder}/queue.sqlite",
        certs=folder / "certs",
        spool=folder / "spool",
    )
    return Deployment(settings)


def _fill(folder: Path, count: int) -> None:
    """Store campaigns in other colours, and what is made of their pictures, which is alike."""
    deployment = _deployment(folder)
    throwaway(folder / "certs", now=deployment.now())
    migrations.upgrade(deployment.database)
    noise = Image.effect_noise(LARGEST, 40)
    tint = Image.merge("RGB", [noise.point(lambda value: value // 4)] * 3)
    banner, logo = BytesIO(), BytesIO()
    tint.save(banner, "JPEG", quality=70)
    Image.new("RGB", (3_000, 900), "#f4c542").save(logo, "PNG")
    with deployment.database.write() as session:
        names = [
            pictures.store(session, each.getvalue(), now=deployment.now())
            for each in (logo, banner)
        ]
    shop = Storefront(deployment)
    look = Look(logo=names[0], banner=names[1])
    made = prepared(deployment.database, look, "Shop", now=deployment.now())
    for number in range(count):
        own = replace(look, background=f"#{number + 1:06x}")
        shop.campaign(presentation=Presentation(texts=TEXTS, look=own))
        if number >= MADE:
            keep(deployment.database, own, made, now=deployment.now())
    deployment.close()


def _show(folder: Path) -> None:
    """Show every campaign once, as a server does that is asked for all of them."""
    deployment = _deployment(folder)
    with deployment.database.read() as session:
        found = [
            (campaign, campaigns.latest_revision(session, campaign))
            for campaign in session.query(Campaign).order_by(Campaign.id)
        ]
        session.expunge_all()
    for campaign, latest in found:
        template_of(deployment, campaign, latest)
    deployment.close()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    part, where, size = sys.argv[1:]
    if part == "fill":
        _fill(Path(where), int(size))
    else:
        _show(Path(where))
