"""A shop for tests: stores, terminals, keys, campaigns and vouchers, put straight into the
database, so that a test says only what it is about.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from pydantic import TypeAdapter
from sqlalchemy import insert
from werkzeug.test import TestResponse

from app.domain import codes
from app.domain.campaign import Authority, Presentation, Source, Terms
from app.domain.codes import Purpose
from app.domain.kinds import KINDS
from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.tills import bearers
from app.store.models import Campaign, Code, Entry, Recipient, Revision, Store, Terminal, Voucher

_TERMS = TypeAdapter(Terms)
_PRESENTATION = TypeAdapter(Presentation)


@dataclass(frozen=True, slots=True)
class Issued:
    """A voucher that a test made: its row id, what its barcode carries and its code."""

    id: int
    serial: str
    barcode: str
    code: str | None = None


@dataclass
class Shop:
    """Makes what a test needs in `deployment`."""

    deployment: Deployment
    campaigns: dict[str, int] = field(default_factory=dict)

    def key(
        self,
        *scopes: Scope,
        store: str | None = None,
        terminal: str | None = None,
        campaigns: Sequence[str] | None = None,
    ) -> str:
        """An API key; a till's unless scopes are named."""
        with self.deployment.database.write() as session:
            return access.create(
                session,
                "test",
                scopes or (Scope.POS,),
                now=self.deployment.now(),
                store=store,
                terminal=terminal,
                campaigns=campaigns,
            )

    def store(
        self, key: str = "paris", *, terminals: Sequence[str] = ("1",), **columns: Any
    ) -> None:
        """A store with terminals."""
        with self.deployment.database.write() as session:
            store = Store(key=key, name=key.title(), created_at=self.deployment.now(), **columns)
            session.add(store)
            session.flush()
            for name in terminals:
                session.add(Terminal(store_id=store.id, key=name, created_at=self.deployment.now()))

    def campaign(
        self,
        key: str = "sun",
        *,
        kind: str = "coupon",
        terms: Terms | None = None,
        presentation: Presentation | None = None,
        authority: Authority = Authority.PASSERELLE,
        source: Source = Source.GENERATED,
        currency: str | None = "EUR",
        timezone: str = "UTC",
        **columns: Any,
    ) -> int:
        """A live campaign with one revision."""
        now = self.deployment.now()
        with self.deployment.database.write() as session:
            campaign = Campaign(
                key=key,
                name=key.title(),
                kind=kind,
                authority=authority.value,
                source=source.value,
                source_options={},
                currency=currency,
                timezone=timezone,
                created_at=now,
                updated_at=now,
                **columns,
            )
            session.add(campaign)
            session.flush()
            session.add(
                Revision(
                    campaign_id=campaign.id,
                    number=1,
                    terms=_TERMS.dump_python(terms or Terms(), mode="json"),
                    presentation=_PRESENTATION.dump_python(
                        presentation or Presentation(), mode="json"
                    ),
                    created_at=now,
                )
            )
            self.campaigns[key] = campaign.id
            return campaign.id

    def recipient(self, external_id: str) -> int:
        """A recipient."""
        now = self.deployment.now()
        with self.deployment.database.write() as session:
            row = Recipient(external_id=external_id, created_at=now, updated_at=now)
            session.add(row)
            session.flush()
            return row.id

    def code(self, text: str, campaign: str = "sun", **columns: Any) -> int:
        """A code of a campaign, held by nobody."""
        keyring = self.deployment.keyring
        lookup = keyring.lookup(text)
        with self.deployment.database.write() as session:
            row = Code(
                **{
                    "lookup": lookup,
                    "sealed": keyring.seal(text, row=lookup),
                    "key_id": keyring.newest,
                    "campaign_id": self.campaigns[campaign],
                    "free": True,
                    **columns,
                }
            )
            session.add(row)
            session.flush()
            return row.id

    def voucher(
        self,
        campaign: str = "sun",
        *,
        code: str | None = None,
        code_id: int | None = None,
        recipient_id: int | None = None,
        **columns: Any,
    ) -> Issued:
        """A voucher on the campaign's terms; columns override what they say."""
        if code is not None and code_id is None:
            code_id = self.code(code, campaign, free=False)
        keyring = self.deployment.keyring
        public_id = codes.new_public_id()
        with self.deployment.database.write() as session:
            row = session.get_one(Campaign, self.campaigns[campaign])
            revision = session.query(Revision).filter_by(campaign_id=row.id).one()
            terms, kind = _TERMS.validate_python(revision.terms), KINDS[row.kind]
            made = Voucher(
                **{
                    "public_id": public_id,
                    "key_id": keyring.newest,
                    "campaign_id": row.id,
                    "revision_id": revision.id,
                    "code_id": code_id,
                    "recipient_id": recipient_id,
                    "occasion": uuid.uuid4().hex,
                    "uses": kind.uses(terms),
                    "balance_minor": kind.opening_balance(terms, code_amount=None),
                    "issued_at": self.deployment.now(),
                    **columns,
                }
            )
            session.add(made)
            session.flush()
            opening = bearers.opening_entry(
                voucher_id=made.id,
                campaign_id=row.id,
                code_id=code_id,
                balance_minor=made.balance_minor,
                currency=row.currency,
                now=self.deployment.now(),
            )
            if opening is not None:
                session.execute(insert(Entry).values(opening))
            return Issued(
                id=made.id,
                serial=codes.serial(public_id),
                barcode=keyring.token(Purpose.BARCODE, key_id=keyring.newest, public_id=public_id),
                code=code,
            )

    def row(self, voucher: Issued | int) -> Voucher:
        """A voucher's row as it stands."""
        with self.deployment.database.read() as session:
            found = session.get_one(Voucher, voucher if isinstance(voucher, int) else voucher.id)
            session.expunge(found)
            return found


@dataclass
class Till:
    """A till at the HTTP door."""

    client: FlaskClient
    key: str

    def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> TestResponse:
        """POST with the API key and a fresh idempotency key unless one is given."""
        return self.client.post(
            f"/pos/v1{path}",
            json=body,
            headers={
                "Authorization": f"Bearer {self.key}",
                "Idempotency-Key": uuid.uuid4().hex if key is None else key,
                **headers,
            },
        )

    def redeem(self, *barcodes: str, key: str | None = None, **body: Any) -> Any:
        """The answer to redeeming `barcodes`; `amount` goes to each."""
        amount = body.pop("amount", None)
        items = [
            {"barcode": barcode, **({"amount": amount} if amount else {})} for barcode in barcodes
        ]
        answer = self.post("/redemptions", {"items": items, **body}, key=key)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def reverse(self, *, attempt: str | None = None, **body: Any) -> Any:
        """The answer to taking something back; `attempt` is the reversal's own key."""
        answer = self.post("/reversals", body, key=attempt)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def by_key(self, key: str) -> TestResponse:
        """What a call under `key` was answered."""
        return self.client.get(
            f"/pos/v1/redemptions/by-key/{key}", headers={"Authorization": f"Bearer {self.key}"}
        )

    def scan(self, barcode: str, **body: Any) -> Any:
        """The answer to scanning `barcode`."""
        answer = self.post("/scans", {"barcode": barcode, **body})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()


def changed(terms: Terms, **changes: Any) -> Terms:
    """`terms` with some of them changed."""
    return dataclasses.replace(terms, **changes)
