"""A shop in Paris with two tills."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.services.deployment import Deployment
from tests.shop import Shop, Till


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    shop = Shop(deployment)
    shop.store("paris", terminals=("1", "2"), language="fr", timezone="Europe/Paris")
    return shop


@pytest.fixture
def till(shop: Shop, client: FlaskClient) -> Till:
    return Till(client, shop.key(store="paris", terminal="1"))
