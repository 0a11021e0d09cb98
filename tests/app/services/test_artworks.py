"""Pictures are prepared once for each look, and a process keeps those that were used last."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import delete, func, select, update

from app.domain.campaign import Look
from app.services.campaigns import pictures
from app.services.deployment import Deployment
from app.services.wallets import content
from app.store.models import Asset, Campaign, PreparedArtwork, Revision
from passes.artwork import Artwork
from passes.errors import ArtworkError
from tests.storefront import Storefront


@pytest.fixture
def look(deployment: Deployment) -> Look:
    """A look with a stored logo."""
    drawn = BytesIO()
    Image.new("RGB", (640, 200), "#f4c542").save(drawn, "PNG")
    with deployment.database.write() as session:
        return Look(logo=pictures.store(session, drawn.getvalue(), now=deployment.now()))


def _rows(deployment: Deployment) -> int:
    with deployment.database.read() as session:
        return session.scalar(select(func.count()).select_from(PreparedArtwork)) or 0


def test_a_look_is_prepared_once_and_read_by_every_process_after(
    deployment: Deployment, look: Look
) -> None:
    now = deployment.now()
    made = pictures.prepared(deployment.database, look, "Shop", now=now)
    assert _rows(deployment) == 1
    with deployment.database.write() as session:
        session.execute(delete(Asset))
    # The original is gone: it can only have been read.
    assert pictures.prepared(deployment.database, look, "Shop", now=now) == made
    other = pictures.prepared(
        deployment.database, replace(look, background="#0b3d2e"), "Shop", now=now
    )
    assert other != made
    assert _rows(deployment) == 1, "a name that stands in for a lost picture is not kept"


def test_what_an_older_release_prepared_otherwise_is_prepared_again(
    deployment: Deployment, look: Look
) -> None:
    now = deployment.now()
    made = pictures.prepared(deployment.database, look, "Shop", now=now)
    with deployment.database.write() as session:
        session.execute(update(PreparedArtwork).values(data=b"not a package"))
    assert pictures.prepared(deployment.database, look, "Shop", now=now) == made


def test_a_campaign_without_a_logo_stores_nothing(deployment: Deployment) -> None:
    pictures.prepared(deployment.database, Look(), "Shop", now=deployment.now())
    assert _rows(deployment) == 0


def test_packed_artwork_is_the_same_when_it_is_unpacked(deployment: Deployment, look: Look) -> None:
    made = pictures.prepared(deployment.database, look, "Shop", now=deployment.now())
    assert Artwork.unpacked(made.packed()) == made
    assert made.size == sum(len(each) for each in made.files.values())
    with pytest.raises(ArtworkError):
        Artwork.unpacked(made.packed()[:100])


def test_a_process_keeps_templates_by_their_bytes_and_forgets_those_used_longest_ago(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Storefront(deployment)
    ids = [shop.campaign() for _ in range(4)]
    with deployment.database.read() as session:
        rows = [
            (session.get_one(Campaign, each), session.query(Revision).filter_by(campaign_id=each))
            for each in ids
        ]
        found = [(campaign, query.one()) for campaign, query in rows]
    monkeypatch.setattr(content, "_templates", type(content._templates)())
    monkeypatch.setattr(content, "_kept", 0)
    first = content.template_of(deployment, *found[0])
    monkeypatch.setattr(content, "KEPT_BYTES", int(first.size * 2.5))
    second = content.template_of(deployment, *found[1])
    assert content.template_of(deployment, *found[0]) is first
    content.template_of(deployment, *found[2])
    assert content.template_of(deployment, *found[0]) is first
    assert content.template_of(deployment, *found[1]) is not second
    assert content._kept <= content.KEPT_BYTES
    assert content._kept == sum(each.size for each in content._templates.values())
