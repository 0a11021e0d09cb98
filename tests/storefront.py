"""A storefront to test: campaigns and vouchers put straight into the tables."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.domain import codes
from app.domain.campaign import Benefit, BenefitType, Presentation, Terms, Texts
from app.domain.codes import Purpose
from app.domain.kinds import KINDS
from app.services import keys
from app.services.campaigns.stored import store_presentation, store_terms
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, Recipient, Revision, Voucher

PERCENT = Terms(benefit=Benefit(type=BenefitType.PERCENT, percent=Decimal(20)))
MONEY = Terms(amount_minor=1500, uses=None)
TEXTS = {
    "en": Texts(title="On everything", offer="−20 %", terms="One per customer."),
    "fr": Texts(title="Sur tout", offer="−20 %", terms="Un par client."),
}


@dataclass(frozen=True)
class Issued:
    """A voucher of the shop, and all that opens it."""

    id: int
    public_id: int
    code: str
    barcode: str
    link: str
    serial: str


class Storefront:
    """Makes campaigns and vouchers in a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._numbers = itertools.count(1)

    def campaign(
        self,
        kind: str = "coupon",
        *,
        terms: Terms | None = None,
        presentation: Presentation | None = None,
        **changes: Any,
    ) -> int:
        """A live campaign's id."""
        now = self.deployment.now()
        holds_money = KINDS[kind].holds_money
        values: dict[str, Any] = {
            "key": f"{kind.replace('_', '-')}-{next(self._numbers)}",
            "name": "A campaign",
            "kind": kind,
            "authority": "passerelle",
            "source": "list",
            "source_options": {},
            "currency": "EUR",
            "timezone": "Europe/Paris",
            "created_at": now,
            "updated_at": now,
        }
        with self.deployment.database.write() as session:
            campaign = Campaign(**(values | changes))
            session.add(campaign)
            session.flush()
            session.add(
                Revision(
                    campaign_id=campaign.id,
                    number=1,
                    terms=store_terms(terms or (MONEY if holds_money else PERCENT)),
                    presentation=store_presentation(presentation or Presentation(texts=TEXTS)),
                    created_at=now,
                )
            )
        return campaign.id

    def revise(
        self, campaign_id: int, *, terms: Terms | None = None, texts: dict[str, Texts] | None = None
    ) -> None:
        """Give a campaign a newer revision."""
        with self.deployment.database.write() as session:
            campaign = session.get_one(Campaign, campaign_id)
            campaign.revision += 1
            campaign.version += 1
            session.add(
                Revision(
                    campaign_id=campaign_id,
                    number=campaign.revision,
                    terms=store_terms(terms or PERCENT),
                    presentation=store_presentation(replace(Presentation(), texts=texts or TEXTS)),
                    created_at=self.deployment.now(),
                )
            )

    def voucher(
        self,
        campaign_id: int,
        *,
        code: str | None = None,
        pin: str | None = None,
        language: str | None = None,
        **changes: Any,
    ) -> Issued:
        """An issued voucher with a code of its own."""
        house, ring = self.deployment, self.deployment.keyring
        number = next(self._numbers)
        text = code or f"SUN-{number:06}"
        public_id = codes.new_public_id()
        lookup = ring.lookup(text)
        with house.database.write() as session:
            campaign = session.get_one(Campaign, campaign_id)
            revision = (
                session.query(Revision)
                .filter_by(campaign_id=campaign_id, number=campaign.revision)
                .one()
            )
            recipient = Recipient(
                external_id=f"r-{number}",
                language=language,
                attributes={},
                created_at=house.now(),
                updated_at=house.now(),
            )
            row = Code(
                lookup=lookup,
                sealed=ring.seal(text, row=lookup),
                pin=ring.seal(pin, row=keys.pin_row(lookup)) if pin else None,
                key_id=ring.newest,
                campaign_id=campaign_id,
                free=False,
                limit=None if KINDS[campaign.kind].holds_money else 1,
            )
            session.add_all([recipient, row])
            session.flush()
            values: dict[str, Any] = {
                "public_id": public_id,
                "key_id": ring.newest,
                "campaign_id": campaign_id,
                "revision_id": revision.id,
                "code_id": row.id,
                "recipient_id": recipient.id,
                "uses": None if KINDS[campaign.kind].holds_money else 1,
                "balance_minor": 1500 if KINDS[campaign.kind].holds_money else 0,
                "issued_at": house.now(),
            }
            voucher = Voucher(**(values | changes))
            session.add(voucher)
        return Issued(
            id=voucher.id,
            public_id=public_id,
            code=text,
            barcode=ring.token(Purpose.BARCODE, key_id=ring.newest, public_id=public_id),
            link=ring.token(Purpose.LINK, key_id=ring.newest, public_id=public_id),
            serial=codes.serial(public_id),
        )

    def set(self, voucher_id: int, **changes: Any) -> None:
        """Change columns of a voucher, as a till or an operator would have."""
        with self.deployment.database.write() as session:
            voucher = session.get_one(Voucher, voucher_id)
            for name, value in changes.items():
                setattr(voucher, name, value)


def days(count: float) -> dt.timedelta:
    return dt.timedelta(days=count)
