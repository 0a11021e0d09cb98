"""Google's keys are fetched in time, and never because of something that was posted."""

from app.delivery.google import chores
from app.sandbox.google import GoogleStandIn
from tests.app.delivery.google.conftest import House


def post(house: House, wire: GoogleStandIn, *, object_id: str = "x") -> int:
    """Send a callback that this stand-in signs; returns the answer's status."""
    issuer = wire.signer.issuer_id
    body = wire.signer.body(class_id=f"{issuer}.a", object_id=f"{issuer}.{object_id}", event="save")
    return house.app.test_client().post("/google/callback", data=body).status_code


def test_bad_requests_fetch_no_keys(house: House) -> None:
    chores.run(house.deployment)
    assert house.wire.keys_served == 1
    house.wire.signer.replace()  # what it signs now is unknown here
    for _ in range(20):
        assert post(house, house.wire) == 400
    chores.run(house.deployment)
    assert house.wire.keys_served == 1


def test_rotated_keys_are_known_within_the_hour(house: House) -> None:
    chores.run(house.deployment)
    house.wire.signer.rotate()
    house.clock.advance(minutes=61)
    chores.run(house.deployment)
    assert house.wire.keys_served == 2
    assert post(house, house.wire) == 200


def test_unreachable_keys_leave_the_known_ones_at_work(house: House) -> None:
    chores.run(house.deployment)
    house.wire.keys_reachable = False
    house.clock.advance(hours=2)
    assert chores.refresh_root_keys(house.deployment)
    assert post(house, house.wire) == 200
    house.clock.advance(days=31)
    assert not chores.refresh_root_keys(house.deployment)
