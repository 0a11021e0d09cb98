"""The stand-in's own rules agree with the document that Google publishes."""

from app.sandbox.google.schema import CLASS_OF, COLLECTIONS, SCHEMAS, faults
from tests.google_schema import schemas

OFFER_CLASS = {
    "id": "338.summer",
    "issuerName": "Corner Shop",
    "provider": "Corner",
    "title": "20 % off",
    "redemptionChannel": "BOTH",
    "reviewStatus": "UNDER_REVIEW",
}
GIFT_OBJECT = {
    "id": "338.g-1",
    "classId": "338.gift",
    "state": "ACTIVE",
    "cardNumber": "1234",
    "balance": {"micros": "1000000", "currencyCode": "EUR"},
    "balanceUpdateTime": {"date": "2026-11-21T10:00:00Z"},
}


def test_every_member_the_stand_in_knows_is_in_googles_schema() -> None:
    for schema, members in SCHEMAS.items():
        unknown = set(members) - set(schemas()[schema]["properties"])
        assert not unknown, f"{schema} has no {unknown}"


def test_enums_offer_only_values_that_google_lists() -> None:
    for schema, members in SCHEMAS.items():
        for name, shape in members.items():
            if isinstance(shape, frozenset):
                rule = schemas()[schema]["properties"][name]
                assert shape <= set(rule["enum"]), f"{schema}.{name}"


def test_lists_and_objects_have_googles_shape() -> None:
    for schema, members in SCHEMAS.items():
        for name, shape in members.items():
            rule = schemas()[schema]["properties"][name]
            assert (rule.get("type") == "array") == isinstance(shape, tuple), f"{schema}.{name}"
            if isinstance(shape, str) and shape.startswith("#"):
                assert rule["$ref"] == shape[1:], f"{schema}.{name}"


def test_members_that_google_calls_required_are_required_here() -> None:
    for collection, schema in COLLECTIONS.items():
        for name, rule in schemas()[schema]["properties"].items():
            if not rule.get("description", "").startswith("Required."):
                continue
            whole = GIFT_OBJECT if collection in CLASS_OF else OFFER_CLASS
            found = faults(schema, {key: whole[key] for key in whole if key != name}, "338")
            assert any(f"{schema}.{name} is required" in fault for fault in found), name


def test_whole_resources_are_accepted() -> None:
    assert faults("OfferClass", OFFER_CLASS, "338") == []
    assert faults("GiftCardObject", GIFT_OBJECT, "338") == []


def test_each_mistake_is_refused_by_name() -> None:
    mistakes = {
        "id": {"id": "999.summer"},
        "issuer": {"id": "summer"},
        "hexBackgroundColor": {"hexBackgroundColor": "red"},
        "redemptionChannel": {"redemptionChannel": "instore"},
        "reviewStatus": {"reviewStatus": "APPROVED"},
        "logo": {"logo": {}},
        "textModulesData": {"textModulesData": [{"header": "h", "body": "b"}] * 11},
        "titleImage": {"titleImage": {"sourceUri": {"uri": "logo.png"}}},
    }
    for name, mistake in mistakes.items():
        assert faults("OfferClass", OFFER_CLASS | mistake, "338"), name
    object_mistakes = {
        "state": {"state": "active"},
        "balance": {"balance": {"micros": 1000000, "currencyCode": "EUR"}},
        "balanceUpdateTime": {"balanceUpdateTime": {"date": "2026-11-21T10:00:00"}},
        "barcode": {"barcode": {"type": "TEXT_ONLY", "value": "1", "alternateText": "1"}},
        "validTimeInterval": {
            "validTimeInterval": {
                "start": {"date": "2026-11-21T10:00:00Z"},
                "end": {"date": "2026-11-22T10:00:00"},
            }
        },
        "cardNumber": {"cardNumber": ""},
    }
    for name, mistake in object_mistakes.items():
        found = faults("GiftCardObject", GIFT_OBJECT | mistake, "338")
        assert any(name in fault for fault in found), name
