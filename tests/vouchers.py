"""Vouchers as tests issue, open and reissue them through the services."""

from __future__ import annotations

from typing import Any

from app.domain.codes import Purpose
from app.services import audit, issuance, links
from app.services.deployment import Deployment
from app.services.issuance import IssueOutcome, Person, VoucherRequest
from app.services.wallets import holdings
from app.services.wallets.holdings import Holding, code_text
from tests.marketing import document


def issue(house: Deployment, campaign: str, name: str = "ann") -> int:
    """The public id of a voucher of `campaign` for `name`, issued now or before."""
    outcome = IssueOutcome()
    wanted = [VoucherRequest(person=Person(external_id=name), occasion="mail")]
    (batch,) = issuance.issue_many(house, campaign, wanted, outcome)
    return batch.issued[0].public_id


def holding(house: Deployment, public_id: int) -> Holding:
    with house.database.read() as session:
        found = holdings.find(session, public_id)
    assert found is not None
    return found


def address(house: Deployment, public_id: int) -> str:
    key_id = holding(house, public_id).voucher.key_id
    return links.page(house.settings, house.keyring, [(public_id, key_id)]).removeprefix(
        house.settings.base_url
    )


def token(house: Deployment, public_id: int) -> str:
    key_id = holding(house, public_id).voucher.key_id
    return house.keyring.token(Purpose.BARCODE, key_id=key_id, public_id=public_id)


def clear(house: Deployment, public_id: int) -> str:
    found = code_text(house, holding(house, public_id))
    assert found is not None
    return found


def reissue(house: Deployment, public_id: int, **options: Any) -> int:
    keyring = house.keyring
    with house.database.write() as session:
        made = issuance.reissue(session, keyring, public_id, now=house.now(), **options)
    assert made.fresh
    return made.public_id


def clean(house: Deployment) -> bool:
    return all(not section.findings for section in audit.run(house.database))


def coupon(**changes_: Any) -> dict[str, Any]:
    return document(codes={"source": "on_demand"}, limits={"uses": 3}, **changes_)
