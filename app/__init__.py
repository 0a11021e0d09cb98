"""The service: issues vouchers, serves their passes, redeems them, keeps the phones true."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.services.deployment import Clock
    from app.settings import Settings


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> Flask:
    """Compose the WSGI application.

    Args:
        settings: the deployment's; read from the environment when absent.
        clock: the present moment; the server's clock when absent.

    Raises:
        SettingsError: the environment is faulty, or production has no usable certificates; it
            lists every fault.
    """
    # Imported here, so that importing a part of the service does not load the whole of it.
    import os

    from app import logs
    from app.services.certificates import settings_with_certificates
    from app.services.deployment import Deployment, utc_now
    from app.web import api

    settings = settings or settings_with_certificates(os.environ)
    logs.configure(settings.log_level)
    deployment = Deployment(settings, clock=clock or utc_now)
    deployment.certificates.insist()
    return api.build(deployment)
