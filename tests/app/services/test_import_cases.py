"""Files as shops, gift-card systems and spreadsheets write them, and what comes of each."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.services import (
    access,
    audit,
    issuance,
)
from app.services.access import Scope
from app.services.codes import from_file, jobs, queue
from app.services.codes.formats import reader
from app.services.codes.formats.headings.lookup import meanings_of
from app.services.codes.formats.headings.meanings import Meaning
from app.services.codes.formats.headings.systems import SYSTEMS
from app.services.codes.formats.records import ColumnsUnclear, FileFault
from app.services.codes.jobs import ImportFault
from app.services.codes.reasons import Expected
from app.services.codes.sealing import Sealer
from app.services.deployment import Deployment
from app.store.keyring import Keyring
from app.store.models import Code, ImportJob, Voucher
from tests.marketing import apply, apply_document, bring, card

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
CARDS: dict[str, Any] = {"holds_money": True, "amount_minor": 1_500}
YEN: dict[str, Any] = {"holds_money": True, "amount_minor": 15, "currency": "JPY", "digits": 0}

SALESFORCE = """<?xml version="1.0" encoding="UTF-8"?>
<coupons xmlns="http://www.demandware.com/xml/impex/coupon/2008-06-17">
  <coupon coupon-id="summer"><enabled-flag>true</enabled-flag><multiple-codes/></coupon>
  <coupon coupon-id="oldwinter"><enabled-flag>false</enabled-flag><multiple-codes/></coupon>
  <coupon-codes coupon-id="summer"><code>SFS1-0001</code><code>SFS1-0002</code></coupon-codes>
  <coupon-codes coupon-id="oldwinter"><code>SFW1-0001</code><code>SFW1-0002</code></coupon-codes>
</coupons>"""
WORKBOOK = """<?xml version="1.0"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="x"><Table>
<Row><Cell><Data ss:Type="String">Coupon Code</Data></Cell>
<Cell><Data ss:Type="String">Created</Data></Cell><Cell><Data ss:Type="String">Uses</Data></Cell>
<Cell><Data ss:Type="String">Times Used</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">MAGE-7001</Data></Cell>
<Cell ss:Index="3"><Data ss:Type="String">No</Data></Cell>
<Cell><Data ss:Type="Number">0</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">MAGE-7002</Data></Cell>
<Cell ss:Index="3"><Data ss:Type="String">Yes</Data></Cell>
<Cell><Data ss:Type="Number">1</Data></Cell></Row>
</Table></Worksheet></Workbook>"""

#: The file, the campaign, the codes (with their money or uses), and the reasons of the rest.
CASES: dict[str, tuple[str | bytes, dict[str, Any], list[tuple[Any, ...]], list[str]]] = {
    "a balance beats the initial value": (
        "Code,Initial Value,Balance,Currency,Status\nSHOP-0001,50.00,12.40,EUR,Partially used\n"
        "SHOP-0002,30.00,0.00,EUR,Fully used\nSHOP-0003,20.00,20.00,EUR,Unused\n",
        CARDS,
        [("SHOP-0001", 1_240), ("SHOP-0003", 2_000)],
        ["empty_card"],
    ),
    "value": (
        "Gift card code,Value\nVAL-1001,50.00\nVAL-1002,25.00\n",
        CARDS,
        [("VAL-1001", 5_000), ("VAL-1002", 2_500)],
        [],
    ),
    "a Dutch value with a comma": (
        "Kortingscode;Waarde\nNL-1001;50,00\nNL-1002;25,00\n",
        CARDS,
        [("NL-1001", 5_000), ("NL-1002", 2_500)],
        [],
    ),
    "yen have no decimals": (
        'Code,Amount\nJP-0001,5000\nJP-0002,"5,000"\nJP-0003,5000.00\nJP-0004,¥5000\n'
        "JP-0005,5000円\n",
        YEN,
        [(f"JP-000{number}", 5_000) for number in range(1, 6)],
        [],
    ),
    "every spelling of an amount, and two that may be two": (
        'Code;Montant\nAM-0001;"1 234,50"\nAM-0002;15,00 EUR\nAM-0003;EUR 15,00\n'
        'AM-0004;1.234,50\nAM-0005;€15.00\nAM-0006;15,-\nAM-0007;"1,234.50"\nAM-0008;15\n'
        "AM-0009;1.500\nAM-0010;15.000\n",
        CARDS,
        [
            (f"AM-000{number}", amount)
            for number, amount in enumerate(
                (123_450, 1_500, 1_500, 123_450, 1_500, 1_500, 123_450, 1_500), start=1
            )
        ],
        ["ambiguous_amount"] * 2,
    ),
    "Salesforce's codes of an enabled coupon": (
        SALESFORCE,
        {},
        [("SFS1-0001",), ("SFS1-0002",)],
        ["disabled", "disabled"],
    ),
    "sep= before a heading": (
        "sep=;\r\nCode;Campaign;Created\r\nBBB-1001;Spring;01.02.2026\r\n"
        "BBB-1002;Spring;01.02.2026\r\n",
        {},
        [("BBB-1001",), ("BBB-1002",)],
        [],
    ),
    "sep= and a limit called uses": (
        "sep=,\r\nCode,Uses,Times Used\r\nDDD-1001,1,0\r\nDDD-1002,1,1\r\n",
        {},
        [("DDD-1001",)],
        ["used"],
    ),
    "a quoted sep=": (
        '"sep=,"\r\n"Code","Uses","Times Used"\r\n"CCC-1001","1","0"\r\n"CCC-1002","1","1"\r\n',
        {},
        [("CCC-1001",)],
        ["used"],
    ),
    "Kortingscode": (
        "Kortingscode\nHDR11-AAAA\nHDR11-BBBB\n",
        {},
        [("HDR11-AAAA",), ("HDR11-BBBB",)],
        [],
    ),
    "Codice sconto": (
        "Codice sconto\nHDR12-AAAA\nHDR12-BBBB\n",
        {},
        [("HDR12-AAAA",), ("HDR12-BBBB",)],
        [],
    ),
    "discount_codes": (
        "discount_codes\nHDR17-AAAA\nHDR17-BBBB\n",
        {},
        [("HDR17-AAAA",), ("HDR17-BBBB",)],
        [],
    ),
    "a heading of no known language": (
        "Alennuskoodi\nFI-1001\nFI-1002\n",
        {},
        [("FI-1001",), ("FI-1002",)],
        [],
    ),
    "a word among words is a code": (
        "WELCOME\nSUMMER10\nWINTER20\n",
        {},
        [("WELCOME",), ("SUMMER10",), ("WINTER20",)],
        [],
    ),
    "a heading in the middle": (
        "AAA-1001\ncode\nAAA-1002\n",
        {},
        [("AAA-1001",), ("AAA-1002",)],
        [],
    ),
    "numbers in scientific notation, with money": (
        "Gift card number;Balance\n6,03628E+15;25,00\n6,03629E+15;25,00\n6.0363E+15;25,00\n",
        CARDS,
        [],
        ["shortened"] * 3,
    ),
    "numbers in scientific notation": (
        "code\n2.19E+26\n5.00E+03\n1E5\n",
        {},
        [],
        ["shortened"] * 3,
    ),
    "1E5 among codes with letters": (
        "code\nAB12\n1E50\nC0DE\n",
        {},
        [("AB12",), ("1E50",), ("C0DE",)],
        [],
    ),
    "more digits than a spreadsheet keeps": (
        "code\n6036280000000000\n6036290000000000\n6036300000000000\n",
        {},
        [],
        ["shortened"] * 3,
    ),
    "errors of a spreadsheet": (
        "code,balance\n#N/A,10.00\n#####,10.00\nAAA-1,#VALUE!\nAAA-2,10.00\n",
        CARDS,
        [("AAA-2", 1_000)],
        ["spreadsheet_error"] * 3,
    ),
    "a leading apostrophe": (
        "code\n'00123456\n'00123457\n",
        {},
        [("00123456",), ("00123457",)],
        [],
    ),
    "a formula that keeps a text": (
        'Code;Betrag\n="0001234";10,00\n"=""0001235""";10,00\n',
        CARDS,
        [("0001234", 1_000), ("0001235", 1_000)],
        [],
    ),
    "full-width, minus sign and soft hyphen": (
        "code\nAB\u00adC-1234\nＡＢＣ－１２３５\nABC−1236\n",
        {},
        [("ABC-1234",), ("ABC-1235",), ("ABC-1236",)],
        [],
    ),
    "a character that nobody sees": ("code\nABC\u200b12345\n", {}, [], ["illegal_character"]),
    "uses that are left": (
        "Code,Usage limit,Times used\nMUL-0001,5,2\nMUL-0002,,12\n",
        {"uses": 10},
        [("MUL-0001", 3)],
        ["used"],
    ),
    "uses without a campaign's limit": (
        "Code,Usage limit,Times used\nMUL-0001,5,2\nMUL-0002,,12\n",
        {"uses": None},
        [("MUL-0001", 3), ("MUL-0002",)],
        [],
    ),
    "Magento's Excel XML": (WORKBOOK, {}, [("MAGE-7001",)], ["used"]),
    "Spree": (
        "Code,State,Promotion Name,Order Number\nSPR-11AA,unused,Spring,\n"
        "SPR-22BB,used,Spring,R1001\n",
        {},
        [("SPR-11AA",)],
        ["used"],
    ),
    "a status in words": (
        "Code,Status,Expires At\nVOU-11AA,active,2027-01-01\nVOU-22BB,expired,2024-01-01\n"
        "VOU-33CC,disabled,\nVOU-44DD,redeemed,\nVOU-55EE,whatever,\n",
        {},
        [("VOU-11AA",)],
        ["expired", "disabled", "used", "unknown_status"],
    ),
    "Shopify's discounts": (
        "Name,Value,Value Type,Type,Discount Class,Minimum Purchase Requirements,"
        "Combines with Order Discounts,Combines with Product Discounts,"
        "Combines with Shipping Discounts,Customer Selection,Context,Times Used In Total,"
        "Applies Once Per Customer,Usage Limit Per Code,Status,Start,End\n"
        "SUMMER-A1,-20.0,percentage,Off,order,,FALSE,FALSE,FALSE,All,,0,FALSE,1,Active,2026-01-01,\n"
        "SUMMER-B2,-20.0,percentage,Off,order,,FALSE,FALSE,FALSE,All,,1,FALSE,1,Active,2026-01-01,\n"
        "SUMMER-C3,-20.0,percentage,Off,order,,FALSE,FALSE,FALSE,All,,0,FALSE,1,Active,2027-01-01,\n",
        {},
        [("SUMMER-A1",)],
        ["used", "scheduled"],
    ),
    "Talon.One, whose value is the code": (
        "accountid,applicationid,value,limitval,counter,expirydate,id\n"
        "1,2,TAL-0001,1,0,2027-01-01T00:00:00Z,10\n1,2,TAL-0002,1,1,,11\n",
        {},
        [("TAL-0001",)],
        ["used"],
    ),
    "what was spent comes off": (
        "value,discount_limitval,discount_counter,counter\nTAL-0001,50.00,12.50,3\n"
        "TAL-0002,50.00,50.00,3\n",
        CARDS,
        [("TAL-0001", 3_750)],
        ["empty_card"],
    ),
    "PrestaShop in French, of Windows": (
        "ID;Nom;Priorité;Code;Quantité;Date d'expiration;État\n1;P;1;PRE-0001;1;31/12/2026;Activé\n"
        "2;P;1;PRE-0002;1;31/12/2026;Désactivé\n3;P;1;PRE-0003;0;31/12/2026;Activé\n".encode(
            "cp1252"
        ),
        {},
        [("PRE-0001",)],
        ["disabled", "used"],
    ),
    "pretix in German, of a Mac": (
        "Gutscheincode;Gültig bis;Eingelöst;Maximale Verwendungen\nPTX-AAAA;31.12.2026 23:59;0;1\n"
        "PTX-BBBB;31.12.2026 23:59;1;1\nPTX-CCCC;31.12.2025 23:59;0;1\n".encode("mac_roman"),
        {},
        [("PTX-AAAA",)],
        ["used", "expired"],
    ),
    "Klaviyo's codes that profiles have": (
        "unique_code,status,expires_at\nKL-AAA1,UNASSIGNED,2027-08-07\n"
        "KL-AAA2,ASSIGNED_TO_PROFILE,2027-08-07\n",
        {},
        [("KL-AAA1",)],
        ["given"],
    ),
    "flags beside each other": (
        "Code;Aktiv;Eingelöst\nAAA-1001;ja;nein\nAAA-1002;nein;nein\nAAA-1003;ja;ja\n"
        "AAA-1004;ja;0\nAAA-1005;ja;1.0\n",
        {},
        [("AAA-1001",), ("AAA-1004",)],
        ["disabled", "used", "used"],
    ),
    "none of all is active": (
        "Gift Card Code,Active,End\nAB-AMXV,No,31.01.2027\nAB-U52Y,No,\n",
        {},
        [],
        ["disabled"] * 2,
    ),
    "titles, blank lines and a sum": (
        "Gutscheinliste;;\n;;\nGutscheincode;Betrag;Status\nAAA-1001;10,00;aktiv\n;;\n"
        "AAA-1002;25,00;eingelöst\nSumme;35,00;\n",
        CARDS,
        [("AAA-1001", 1_000)],
        ["used"],
    ),
    "an empty column is no column": (
        "Code;Coupon code\n;AAA-1001\n;AAA-1002\n",
        {},
        [("AAA-1001",), ("AAA-1002",)],
        [],
    ),
    "a label in each row is no code": (
        "Code;Gutscheinnummer\nSPRING;AAA-1001\nSPRING;AAA-1002\nSPRING;AAA-1003\n",
        {},
        [("AAA-1001",), ("AAA-1002",), ("AAA-1003",)],
        [],
    ),
    "money below zero": (
        "code,balance\nAAA-1,-5.00\nAAA-2,(5.00)\nAAA-3,−5.00\nAAA-4,5.00\n",
        CARDS,
        [("AAA-4", 500)],
        ["negative_amount"] * 3,
    ),
    "a card that was used, without what is left": (
        "Code,Initial Value,Status\nAAA-1,50,active\nAAA-2,50,partially used\n",
        CARDS,
        [("AAA-1", 5_000)],
        ["partly_used"],
    ),
    "another currency, by sign and by column": (
        "Code,Balance,Currency\nAAA-1,10.00,USD\nAAA-2,$10.00,\nAAA-3,10.00,EUR\n",
        CARDS,
        [("AAA-3", 1_000)],
        ["wrong_currency"] * 2,
    ),
}


@pytest.fixture(scope="module")
def keyring() -> Keyring:
    return Keyring({1: bytes(32)}, lookup_key=bytes(range(32)))


def understood(
    data: str | bytes, keyring: Keyring, campaign: dict[str, Any], **options: Any
) -> tuple[list[tuple[Any, ...]], list[str], int]:
    """Codes with their money or uses, reasons of the others, and the number of rows; in memory."""
    expected = Expected(**({"holds_money": False, "currency": "EUR", "now": NOW} | campaign))
    sealer = Sealer(keyring=keyring, expected=expected)
    codes: list[tuple[Any, ...]] = []
    reasons: list[str] = []
    count = 0
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    for batch in reader.batches(stream, expected=expected, **options):
        rows, rejects, records = sealer.seal(batch)
        count += records
        reasons += [reject.reason.value for reject in rejects]
        codes += [
            (
                keyring.open(row[2], row=row[0], key_id=1),
                *(value for value in row[5:] if value is not None),
            )
            for row in rows
        ]
    return codes, reasons, count


@pytest.mark.parametrize("name", CASES)
def test_a_file_gives_what_it_says_and_nothing_else(name: str, keyring: Keyring) -> None:
    data, campaign, codes, reasons = CASES[name]

    found, refused, count = understood(data, keyring, campaign)

    assert (found, refused) == (codes, reasons)
    # Every row is accepted or refused.
    assert count == len(found) + len(refused)


@pytest.mark.parametrize(
    ("data", "campaign", "cause"),
    [
        ("Code;Kaartgeld\nAAA-1;50,00\nAAA-2;25,00\n", CARDS, "Column 2, 'Kaartgeld', may hold"),
        ("Code;Foo\nAAA-1;50\nAAA-2;25\n", CARDS, "Column 2, 'Foo', may hold money"),
        ("AAA-1001;50,00\nAAA-1002;25,00\n", CARDS, "Column 2 may hold money"),
        ("Ref;Koodi\nR-1;A-1\nR-2;A-2\n", {}, "cannot be told|No column looks"),
        ("Code,Uses\nAAA-1,1\nAAA-2,1\n", {}, "name it used or limit"),
        ("Code;Foo\nAAA-1;yes\nAAA-2;no\n", {}, "says yes and no"),
        ("Code;Status\nAAA-1;zzz\nAAA-2;qqq\n", {}, "no status that is known"),
    ],
)
def test_what_cannot_be_told_is_asked_and_shows_the_columns(
    data: str, campaign: dict[str, Any], cause: str, keyring: Keyring
) -> None:
    with pytest.raises(ColumnsUnclear, match=cause) as asked:
        understood(data, keyring, campaign)

    columns = asked.value.columns
    assert [column.number for column in columns] == [1, 2]
    assert columns[0].cells[0] in data
    # Cells may be codes: the message, which is stored, repeats none.
    assert not any(cell in str(asked.value) for cell in columns[0].cells)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (SALESFORCE.replace("false", "true"), "several coupons: summer, oldwinter"),
        (
            '<coupons><coupon coupon-id="S"><system-codes><code-prefix>S</code-prefix>'
            "</system-codes></coupon></coupons>",
            "job step ExportCouponCodes",
        ),
        ("Id,Last Characters,Balance\n1,ab12,5.00\n", "only the last characters"),
        ('[{"code": "AAA-1"}]', "is JSON"),
        (b"PK\x03\x04" + bytes(50), "Excel workbook"),
        ("<html><table><tr><td>AAA-1</td></tr></table></html>", "page of HTML"),
        ('Code;Name\nAAA-1;"foo\nAAA-2;bar\nAAA-3;baz\n', "line 2 is never closed"),
        ("Code;Status\n", "no codes below it"),
    ],
)
def test_a_file_without_codes_is_refused_with_the_way_to_get_some(
    data: str | bytes, cause: str, keyring: Keyring
) -> None:
    with pytest.raises(FileFault, match=cause):
        understood(data, keyring, {})


def test_the_coupon_of_coupon_xml_can_be_chosen(keyring: Keyring) -> None:
    both = SALESFORCE.replace("false", "true")

    assert understood(both, keyring, {}, coupon="oldwinter")[0] == [("SFW1-0001",), ("SFW1-0002",)]
    with pytest.raises(FileFault, match="no codes of a coupon 'spring'"):
        understood(both, keyring, {}, coupon="spring")


def test_columns_that_are_named_win_over_headings(keyring: Keyring) -> None:
    data = "Code;Foo;Bar;Status\nold-1;AAA-1;50,00;zzz\nold-2;AAA-2;25,00;zzz\n"
    columns = {"code": "2", "amount": "Bar", "other": "Status"}

    codes, reasons, _ = understood(data, keyring, CARDS, columns=columns)

    assert (codes, reasons) == ([("AAA-1", 5_000), ("AAA-2", 2_500)], [])


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_heading_of_a_known_system_is_understood(system: Any) -> None:
    for meaning, names in system.headings.items():
        for name in names.split("|"):
            assert meaning in meanings_of(name) or meaning is Meaning.OTHER, name


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_code_keeps_the_uses_that_it_had_left(deployment: Deployment) -> None:
    apply(deployment, limits={"uses": 5})
    bring(deployment, b"Code,Usage limit,Times used\nMUL-0001,5,2\nMUL-0002,9,0\n")

    with deployment.database.read() as session:
        stored = {
            issuance.code_of(deployment.keyring, code): code.limit
            for code in session.scalars(select(Code))
        }
    assert stored == {"MUL-0001": 3, "MUL-0002": None}
    wanted = [
        issuance.VoucherRequest(person=issuance.Person(external_id=name)) for name in ("a", "b")
    ]
    list(issuance.issue_many(deployment, "spring", wanted, issuance.IssueOutcome()))
    with deployment.database.read() as session:
        assert sorted(session.scalars(select(Voucher.uses))) == [3, 5]
    assert not any(part.findings for part in audit.run(deployment.database))


def test_a_file_of_no_use_fails_with_its_remedy_and_its_rows(deployment: Deployment) -> None:
    apply(deployment)

    done = from_file.receive(
        deployment, "spring", io.BytesIO(b"code\n2.19E+26\n5.00E+03\n"), filename="x"
    )

    assert (done.status, done.read, done.accepted, done.rejected) == ("failed", 2, 0, 2)
    assert done.reasons == {"shortened": 2}
    assert "export the codes again as text" in (done.error or "")
    assert [line for line, _, _ in jobs.rejects(deployment, done.id)] == [2, 3]
    # The same codes again are no failure: the campaign has them.
    bring(deployment, b"AAA-1001\n")
    again = bring(deployment, b"AAA-1001\n\n")
    assert (again.status, again.repeated) == ("complete", 1)


def test_a_question_stores_nothing_and_its_answer_is_taken(
    deployment: Deployment, client: FlaskClient
) -> None:
    apply_document(deployment, card(codes={"source": "list"}))
    _ = deployment.keyring
    with deployment.database.write() as session:
        key = access.create(session, "shop", [Scope.ISSUE], now=deployment.now())
    headers = {"Authorization": f"Bearer {key}"}
    data = b"Code;Kaartgeld\nAAA-1;50,00\nAAA-2;25,00\n"
    path = "/api/v1/imports?campaign=card"

    asked = client.post(path, data=data, headers=headers)
    body = asked.get_json()

    assert (asked.status_code, body["code"]) == (422, "columns_unclear")
    assert [(each["number"], each["heading"], each["meaning"]) for each in body["columns"]] == [
        (1, "Code", "code"),
        (2, "Kaartgeld", "amount"),
    ]
    assert body["columns"][0]["cells"] == ["AAA-1", "AAA-2"]
    with deployment.database.read() as session:
        assert session.scalars(select(Code)).all() == []
        assert "AAA-1" not in (session.scalars(select(ImportJob)).one().error or "")
    done = client.post(f"{path}&column=code=1&column=amount=Kaartgeld", data=data, headers=headers)
    assert done.status_code == 202
    queue.resume(deployment)
    with deployment.database.read() as session:
        assert sorted(session.scalars(select(Code.amount_minor))) == [2_500, 5_000]
    with pytest.raises(ImportFault, match="cannot be 'nonsense'"):
        bring(deployment, data, campaign="card", columns={"nonsense": "1"})
