"""`passerelle certs check --online` says in plain words whether Google will take our passes."""

from dataclasses import replace

from app.delivery.google.check import check
from app.services.deployment import Deployment
from passes.signing import Finding
from tests.app.delivery.google.conftest import House


def found(deployment: Deployment) -> dict[str, Finding]:
    return {each.field: each for each in check(deployment)}


def test_a_working_account_and_issuer_are_said_to_be_good(house: House) -> None:
    house.shop.campaign()
    house.settle()
    said = found(house.deployment)
    assert said["service account"].level == "good"
    assert said["issuer"].level == "good"
    assert said["publishing"].level == "good"
    assert "TEST ONLY" in said["publishing"].remedy
    assert "https" in said["callback"].remedy


def test_another_issuer_id_is_named_with_what_to_do(house: House) -> None:
    settings = replace(house.deployment.settings, google_issuer_id="3388000000000000009")
    other = Deployment(settings, clock=house.clock)
    said = found(other)["issuer"]
    other.close()
    assert said.level == "error"
    assert "invite" in said.remedy
    assert "PASSERELLE_GOOGLE_ISSUER_ID" in said.remedy


def test_an_account_that_google_does_not_know_is_named(house: House) -> None:
    house.wire.accounts.clear()
    assert found(house.deployment)["service account"].level == "error"
    assert "issuer" not in found(house.deployment)
