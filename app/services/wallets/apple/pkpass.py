"""Builds the signed pass that iPhones hold."""

from __future__ import annotations

import datetime as dt

from app.domain.codes import Purpose
from app.services.deployment import Deployment
from app.services.wallets.content import pass_content, template_for
from app.services.wallets.holdings import Holding
from passes import apple


def signed_pass(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> bytes:
    """The signed `.pkpass`, which knows where to fetch itself again.

    Raises:
        CertificateFault: no certificate can sign it.
        passes.errors.PassError: the campaign's content cannot be a pass; names field and remedy.
    """
    built = pass_content(deployment, holding, now=now)
    voucher = holding.voucher
    token = deployment.keyring.token(
        Purpose.APPLE, key_id=voucher.key_id, public_id=voucher.public_id
    )
    base = deployment.settings.base_url
    service = apple.WebService(f"{base}/apple", token, development=base.startswith("http:"))
    return template_for(deployment, holding).build(
        built, signer=deployment.certificates.signer, now=now, web_service=service
    )
