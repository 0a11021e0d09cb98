"""Files of codes: every format with its defects, crashes, cancelling, and what tills see of it."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.domain.codes import normalise
from app.services import campaigns, issuance
from app.services.codes import from_file, generated, jobs, queue, table
from app.services.codes.formats import reader, text
from app.services.codes.formats.records import FileFault
from app.services.codes.jobs import ImportFault
from app.services.codes.reasons import Expected, RejectReason
from app.services.codes.sealing import Sealer
from app.services.codes.sources import FileSource, PatternSource
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.keyring import Keyring
from app.store.models import Code, ImportJob, ImportReject, Voucher
from tests.conftest import Clock
from tests.killing import kill_midway
from tests.marketing import apply, apply_document, bring, card
from tests.shop import Shop, Till
from tests.storefront import Storefront

XML = """<?xml version="1.0" encoding="UTF-8"?>
<coupons xmlns="http://www.demandware.com/xml/impex/coupon/2008-06-17">
  <coupon coupon-id="spring"><enabled-flag>true</enabled-flag>
    <redemption-limits><limit-per-code>1</limit-per-code></redemption-limits>
    <coupon-codes><code>AAAA-0001</code><code> AAAA-0002 </code><code><![CDATA[AAAA&0003]]></code>
    <code>AAAA-0001</code></coupon-codes>
  </coupon>
  <coupon coupon-id="old"><enabled-flag>false</enabled-flag>
    <single-code>AAAA-0004</single-code></coupon>
</coupons>"""
SHOPIFY = (
    "Code,Times Used,Status\nAAAA-0001,0,active\nAAAA-0002,0,active\nAAAA&0003,0,active\n"
    "AAAA-0001,0,active\nAAAA-0004,2,active\n"
)
LINES = "AAAA-0001\r\nAAAA-0002\r\n\r\nAAAA&0003\r\nAAAA-0001\r\nÀÀÀÀ-0004\r\n"
QUOTED = (
    'id;"Code promo";libellé\n1;"AAAA-0001";"a;b"\n2; "AAAA-0002" ;"c\nd"\n3;AAAA&0003;é\n'
    "4;aaaa 0001;x\n5;;x\n"
)

FORMATS = {
    "lines": (LINES.encode(), {"duplicate": 1, "illegal_character": 1}),
    "lines with BOM": (LINES.encode("utf-8-sig"), {"duplicate": 1, "illegal_character": 1}),
    "UTF-16": (LINES.encode("utf-16"), {"duplicate": 1, "illegal_character": 1}),
    "UTF-16 without BOM": (LINES.encode("utf-16-le"), {"duplicate": 1, "illegal_character": 1}),
    "heading": (b"Coupon Code\nAAAA-0001\nAAAA-0002\nAAAA&0003\n", {}),
    "quoted": (QUOTED.encode(), {"duplicate": 1, "empty": 1}),
    "Windows-1252": (QUOTED.encode("cp1252"), {"duplicate": 1, "empty": 1}),
    "tabs, no heading": (
        b"2026-01-01\tAAAA-0001\t20.00\n2026-01-01\tAAAA-0002\t20.00\n2026-01-02\tAAAA&0003\t1.50\n",
        {},
    ),
    "one quoted column": (b'"AAAA-0001"\n"AAAA-0002"\n"AAAA&0003"\n', {}),
    "Shopify": (SHOPIFY.encode(), {"duplicate": 1, "used": 1}),
    "Salesforce XML": (XML.encode(), {"duplicate": 1, "disabled": 1}),
    "gzipped XML": (gzip.compress(XML.encode()), {"duplicate": 1, "disabled": 1}),
    "gzipped twice in a row": (
        gzip.compress(b"AAAA-0001\nAAAA-0002\n") + gzip.compress(b"AAAA&0003\n"),
        {},
    ),
    "over-long": (
        b"AAAA-0001\nAAAA-0002\nAAAA&0003\n" + b"X" * 65 + b"\nAB\n",
        {"too_long": 1, "too_short": 1},
    ),
}


@pytest.fixture(scope="module")
def keyring() -> Keyring:
    return Keyring({1: bytes(32)}, lookup_key=bytes(range(32)))


def understood(data: bytes, keyring: Keyring, **options: Any) -> tuple[list[str], Counter[str]]:
    """The codes that a file yields, and why its other records do not; in memory."""
    sealer = Sealer(keyring=keyring, expected=Expected(holds_money=False, currency="EUR"))
    found: dict[bytes, str] = {}
    reasons: Counter[str] = Counter()
    for batch in reader.batches(io.BytesIO(data), **options):
        rows, rejects, _ = sealer.seal(batch)
        reasons.update(reject.reason.value for reject in rejects)
        for row in rows:
            if row[0] in found:
                reasons["duplicate"] += 1
            else:
                found[row[0]] = keyring.open(row[2], row=row[0], key_id=1)
    return list(found.values()), reasons


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_yields_its_codes_and_names_its_defects(name: str, keyring: Keyring) -> None:
    data, reasons = FORMATS[name]
    # "AAAA-0001" and the later "aaaa 0001" are one code to whoever types it.
    options = {"columns": {"code": "2"}} if name == "tabs, no heading" else {}

    codes, found = understood(data, keyring, **options)

    assert codes == ["AAAA-0001", "AAAA-0002", "AAAA&0003"]
    assert found == reasons


def test_a_code_column_is_guessed_by_its_values_when_nothing_names_it(keyring: Keyring) -> None:
    rows = "".join(f"{n},2026-01-{n % 28 + 1:02},K7F{n:05}Q,12.50\n" for n in range(50))

    codes, _ = understood(rows.encode(), keyring)

    assert codes[:2] == ["K7F00000Q", "K7F00001Q"]


@pytest.mark.parametrize(
    ("data", "options", "cause"),
    [
        (b"", {}, "empty"),
        (gzip.compress(b"AAAA-0001\n" * 5_000)[:-20], {}, "cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100) + b"x" * 900, {}, "no text"),
        (
            b'<!DOCTYPE x [<!ENTITY a "aaaa">]><coupons><code>&a;</code></coupons>',
            {},
            "document type",
        ),
        (b"<coupons><code>AAAA</code>", {}, "breaks off"),
        (b"a,b\n1,2\n", {"columns": {"code": "c"}}, "No column is called"),
        (b"a,b\n1,2\n", {"columns": {"code": "kode=1"}}, "Before = stands one of code,"),
        (b"2026-01-01,1.50\n2026-01-02,2.50\n", {}, "No column looks like codes"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_cause(
    data: bytes, options: dict[str, Any], cause: str, keyring: Keyring
) -> None:
    with pytest.raises(FileFault, match=cause):
        understood(data, keyring, **options)


def test_a_gzip_bomb_is_refused_before_it_has_unpacked(
    keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "_FREE_RATIO", 1_000_000)
    bomb = gzip.compress(b"A" * 50_000_000)

    with pytest.raises(FileFault, match="far more than it weighs"):
        understood(bomb, keyring)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"<a>" * 100_000, "nests more than 32 deep"),
        (b'<coupons><code name="' + b"x" * 3_000_000, "a tag without end"),
        (b"<coupons>" + b"<code>ABC-1</code>" * 10 + b"<!-- " + b"x" * 3_000_000, "without end"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    ],
    ids=["depth", "tag", "comment", "entities"],
)
def test_xml_that_would_fill_the_memory_is_refused(
    keyring: Keyring, data: bytes, cause: str
) -> None:
    with pytest.raises(FileFault, match=cause):
        understood(data, keyring)


def test_a_small_packed_file_of_rows_that_are_no_codes_is_given_up_early(
    deployment: Deployment, storefront: Storefront
) -> None:
    storefront.campaign(key="sun")
    packed = gzip.compress(b"a\n" * 3_000_000)
    assert len(packed) < 100_000

    with pytest.raises(jobs.ImportFault, match="hold no code"):
        from_file.receive(deployment, "sun", io.BytesIO(packed), filename="bomb.gz")

    _, (job,) = jobs.listed(deployment)
    assert job.status == "failed"
    assert job.read < 100_000


@given(
    codes=st.lists(
        st.text(st.sampled_from("ABCabc0123456789-_./"), min_size=3, max_size=20).filter(
            lambda text: len(normalise(text)) >= 3
        ),
        min_size=2,
        max_size=30,
        unique_by=normalise,
    ),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quote=st.booleans(),
    packed=st.booleans(),
)
def test_whatever_the_dialect_the_same_codes_come_out(
    codes: list[str], separator: str, end: str, encoding: str, quote: bool, packed: bool
) -> None:
    mark = '"' if quote else ""
    rows = [f"{n}{separator}{mark}{code}{mark}{separator}é" for n, code in enumerate(codes)]
    data = (end.join([f"n{separator}code{separator}name", *rows]) + end).encode(encoding)
    ring = Keyring({1: bytes(32)}, lookup_key=bytes(32))

    found, reasons = understood(gzip.compress(data) if packed else data, ring)

    assert found == codes
    assert not reasons


def test_codes_become_usable_together_and_the_same_file_again_adds_nothing(
    deployment: Deployment,
) -> None:
    apply(deployment)
    data = b"".join(b"CODE%06d\n" % n for n in range(3_000)) + b"CODE000000\nn\xc3\xb6\n"
    standing = from_file.receive(deployment, "spring", io.BytesIO(data), filename="x.txt")

    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        assert issuance.stock(session, campaign) == issuance.Stock(0, None)
    done = from_file.load(deployment, standing.id)
    assert (done.status, done.read, done.accepted, done.rejected) == ("complete", 3_002, 3_000, 2)
    assert done.reasons == {"duplicate": 1, "illegal_character": 1}
    assert [(line, reason) for line, reason, _ in jobs.rejects(deployment, done.id)] == [
        (3_001, "duplicate"),
        (3_002, "illegal_character"),
    ]
    with deployment.database.read() as session:
        assert issuance.stock(session, campaign) == issuance.Stock(3_000, None)
        one = session.scalars(select(Code).limit(1)).one()
        assert issuance.code_of(deployment.keyring, one).startswith("CODE")

    again = bring(deployment, data)
    assert again.known
    assert again.id == done.id
    other = bring(deployment, data + b"NEWCODE001\n")
    assert (other.accepted, other.reasons["in_campaign"]) == (1, 3_000)


def test_a_code_is_unknown_at_the_till_until_its_import_is_complete(
    deployment: Deployment, client: FlaskClient
) -> None:
    apply(deployment)
    shop = Shop(deployment)
    shop.store("paris", terminals=("1",))
    till = Till(client, shop.key(store="paris", terminal="1"))
    done = bring(deployment, b"CODE0001\nCODE0002\n")

    def stands(status: str) -> None:
        """Put the import where a crash (or a cancelling) between two transactions leaves it."""
        with deployment.database.write() as session:
            session.get_one(ImportJob, done.id).status = status

    for status in ("loading", "cancelling"):
        stands(status)
        assert till.redeem("CODE0001")["reason"] == "unknown_code"
        scan = till.post("/scans", {"barcode": "CODE0001"}).get_json()
        assert scan["reason"] == "unknown_code"
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Voucher)) == 0
    stands("complete")
    assert till.redeem("CODE0001")["outcome"] == "accepted"


def test_a_code_of_another_campaign_is_refused_and_stays_there(deployment: Deployment) -> None:
    apply(deployment)
    apply(deployment, key="autumn")
    bring(deployment, b"CODE0001\nCODE0002\n")

    done = bring(deployment, b"CODE0002\nCODE0003\n", campaign="autumn")

    assert (done.accepted, done.reasons) == (1, {"in_other_campaign": 1})


def test_gift_cards_bring_amount_currency_and_pin_and_their_defects_are_named(
    deployment: Deployment,
) -> None:
    apply_document(deployment, card(codes={"source": "list"}, gift_card=None))
    data = (
        "number;pin;amount;currency\nCARD-0001;1234;25,00;EUR\nCARD-0002;;1 000,50;eur\n"
        "CARD-0003;;25,00;USD\nCARD-0004;;-5;EUR\nCARD-0005;;1.005;EUR\nCARD-0006;;;EUR\n"
        "CARD-0007;12;5;EUR\nCARD-0008;;abc;EUR\n"
    )
    done = bring(deployment, data.encode(), campaign="card")

    assert done.reasons == {
        "wrong_currency": 1,
        "negative_amount": 1,
        "bad_amount": 1,
        "ambiguous_amount": 1,
        "missing_amount": 1,
        "bad_pin": 1,
    }
    ring = deployment.keyring
    with deployment.database.read() as session:
        stored = {
            issuance.code_of(ring, code): (code.amount_minor, issuance.pin_of(ring, code))
            for code in session.scalars(select(Code))
        }
    assert stored == {"CARD-0001": (2_500, "1234"), "CARD-0002": (100_050, None)}


def test_a_cancelled_import_leaves_no_code_and_its_file_may_come_again(
    deployment: Deployment,
) -> None:
    apply(deployment)
    data = b"".join(b"CODE%06d\n" % n for n in range(2_000))
    standing = from_file.receive(deployment, "spring", io.BytesIO(data), filename="x")

    assert jobs.cancel(deployment, standing.id).status == "cancelled"
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Code)) == 0
    with pytest.raises(ImportFault, match="complete"):
        jobs.cancel(deployment, bring(deployment, data).id)


def test_the_worker_goes_on_with_each_import_that_a_crash_left_from_where_it_was(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment)
    read = from_file.receive(deployment, "spring", io.BytesIO(b"READ0001\n"), filename="read")
    given_up = from_file.receive(deployment, "spring", io.BytesIO(b"GONE0001\n"), filename="gone")
    torn = jobs.begin(deployment, "spring", FileSource(), filename="torn").job_id
    with deployment.database.write() as session:
        # Its process died between saying that it is cancelled and taking its codes away.
        session.get_one(ImportJob, given_up.id).status = "cancelling"

    at_once = {done.id: done for done in queue.resume(deployment)}
    assert {id_: done.status for id_, done in at_once.items()} == {
        read.id: "complete",
        given_up.id: "cancelled",
    }
    assert at_once[read.id].accepted == 1
    # A file that is still arriving is not broken off before a quarter of an hour.
    clock.advance(minutes=15)
    assert queue.resume(deployment) == []
    clock.advance(seconds=1)
    (done,) = queue.resume(deployment)

    assert (done.id, done.status) == (torn, "failed")
    assert "send it again" in (done.error or "")
    with deployment.database.read() as session:
        lookups = session.scalars(select(Code.lookup)).all()
    assert lookups == [deployment.keyring.lookup("READ0001")]
    assert queue.resume(deployment) == []


def test_a_campaign_that_makes_its_own_codes_takes_no_file(deployment: Deployment) -> None:
    apply(deployment, codes={"source": "on_demand"})

    with pytest.raises(ImportFault, match="Only a campaign whose source"):
        bring(deployment, b"CODE0001\n")


def test_generated_codes_are_as_many_as_asked_even_when_random_ones_collide(
    deployment: Deployment,
) -> None:
    # Two random characters of eight: 64 codes, so that 40 of them collide for certain.
    options = {"source": "generated", "pattern": "X-##-Y", "alphabet": "ABCDEFGH", "insist": True}
    apply(deployment, codes=options)

    assert generated.generate(deployment, "spring", 40).accepted == 40
    with pytest.raises(ImportFault, match="too few codes left"):
        generated.generate(deployment, "spring", 30)
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Code)) == 40
        assert session.scalar(select(func.count()).select_from(ImportReject)) == 0


def test_last_characters_are_shown_only_where_forty_bits_stay_unknown(
    deployment: Deployment,
) -> None:
    apply(deployment, codes={"source": "generated"})
    apply(deployment, key="autumn")
    generated.generate(deployment, "spring", 20)
    bring(deployment, b"".join(b"SUMMER2026-%06d\n" % n for n in range(500)), campaign="autumn")

    with deployment.database.read() as session:
        hints = {
            (issuance.code_of(deployment.keyring, code)[:6] == "SUMMER", code.hint)
            for code in session.scalars(select(Code))
        }
    # Ten random characters of 32 and a check character: 35 bits stay when four are shown.
    assert hints == {(False, None), (True, None)}


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_an_import_killed_in_its_middle_ends_the_same_when_it_is_started_again(
    settings: Settings, deployment: Deployment, tmp_path: Path
) -> None:
    apply(deployment)
    path = tmp_path / "codes.txt"
    codes = [f"KILL{n:07}" for n in range(40_000)]
    path.write_text("\n".join([*codes, codes[5], "é"]) + "\n")
    kill_midway(settings, deployment, "import", "spring", str(path))
    with deployment.database.read() as session:
        loaded = session.scalar(select(func.count()).select_from(Code)) or 0
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        assert issuance.stock(session, campaign) == issuance.Stock(0, None)
    assert 0 < loaded < len(codes)

    done = from_file.import_file(deployment, "spring", path)

    assert (done.status, done.accepted, done.rejected) == ("complete", len(codes), 2)
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Code)) == len(codes)
    assert {reason for _, reason, _ in jobs.rejects(deployment, done.id)} == {
        RejectReason.DUPLICATE.value,
        RejectReason.ILLEGAL_CHARACTER.value,
    }
    assert from_file.import_file(deployment, "spring", path).known


def test_a_generation_that_was_killed_is_finished_by_the_worker_with_as_many_codes(
    settings: Settings, deployment: Deployment, clock: Clock
) -> None:
    apply(deployment, codes={"source": "generated"})
    kill_midway(settings, deployment, "generate", "spring", "40000")
    with deployment.database.read() as session:
        loaded = session.scalar(select(func.count()).select_from(Code)) or 0
        campaign = campaigns.find(session, "spring")
    assert campaign is not None
    assert 0 < loaded < 40_000
    # Its process stamped the import with the real time: nobody knows yet that it is dead.
    clock.now = dt.datetime.now(dt.UTC)
    assert queue.resume(deployment) == []

    clock.advance(minutes=16)
    (done,) = queue.resume(deployment)

    assert (done.status, done.accepted) == ("complete", 40_000)
    with deployment.database.read() as session:
        assert issuance.stock(session, campaign) == issuance.Stock(40_000, None)
        assert session.scalar(select(func.count()).select_from(Code)) == 40_000
    assert queue.resume(deployment) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_generation_that_was_cancelled_or_cannot_be_finished_leaves_no_code(
    deployment: Deployment, clock: Clock
) -> None:
    options = {"source": "generated", "pattern": "X-##-Y", "alphabet": "ABCDEFGH", "insist": True}
    apply(deployment, codes=options)
    begun = [
        jobs.begin(
            deployment, "spring", PatternSource(count=count), filename=PatternSource.label
        ).job_id
        for count in (65, 5)
    ]
    jobs.cancel(deployment, begun[1])
    clock.advance(minutes=16)

    (done,) = queue.resume(deployment)

    # Two of eight characters make 64 codes.
    assert (done.id, done.status, done.accepted) == (begun[0], "failed", 0)
    assert "too few codes left" in (done.error or "")
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Code)) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlites_log_stays_small_however_large_the_import(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CHECKPOINT_ROWS", 2_000)
    apply(deployment)

    done = bring(deployment, b"".join(b"CODE%06d\n" % n for n in range(30_000)))

    assert done.accepted == 30_000
    file = Path(deployment.database.engine.url.database or "")
    log = file.with_name(file.name + "-wal").stat().st_size
    assert log < file.stat().st_size / 2
