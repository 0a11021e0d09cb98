"""The guide's pages do what they say: their commands and programs are run as they stand there."""

from __future__ import annotations

import csv
import dataclasses
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest
import requests
import trustme

from app.domain.campaign import Benefit, BenefitType, Source, Terms
from app.domain.refusals import Reason
from app.services.access import Scope
from app.services.deployment import Deployment
from app.settings import Settings
from tests.serving import ROOT, free_port, running_server
from tests.shop import Shop

GUIDE = ROOT / "app" / "guide"
#: Seconds for a step on a busy machine.
PATIENCE = 90.0
#: Debian keeps it where only root looks.
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language, in their order."""
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


class Newcomer:
    """Types the commands of `start.md` in a copy of the repository, on a port that is free."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "app").mkdir()
        (folder / "app" / "examples").symlink_to(ROOT / "app" / "examples")
        (folder / "bin").mkdir()
        program = folder / "bin" / "passerelle"
        program.write_text(
            f'#!/bin/sh\n[ "$1" = serve ] && shift && set -- serve --port {self.port} "$@"\n'
            f"exec {shlex.quote(sys.executable)} -c 'from app.cli import main; main()' \"$@\"\n"
        )
        program.chmod(0o700)
        kept = {name: v for name, v in os.environ.items() if not name.startswith("PASSERELLE_")}
        self.environment = kept | {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PASSERELLE_BASE_URL": f"http://127.0.0.1:{self.port}",
        }

    def type(self, commands: str, folder: Path) -> str:
        """What the commands print; each of them has to succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(commands)],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=5 * PATIENCE,  # Some of them are five commands.
            check=False,
        )
        assert done.returncode == 0, (commands, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def second_terminal(self, command: str, folder: Path) -> Iterator[None]:
        """Run a command that serves, until its service is ready and as long as it is needed."""
        with subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=self.environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                until = time.monotonic() + PATIENCE
                while not self._ready():
                    assert process.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.1)
                yield
            finally:
                process.terminate()

    def _ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _here(self, commands: str) -> str:
        return commands.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")


def test_the_ten_minutes_of_the_start_page_lead_to_a_redeemed_coupon(tmp_path: Path) -> None:
    newcomer, first = Newcomer(tmp_path), tmp_path / "first"
    commands = blocks("start", "sh")
    serve = commands.index("passerelle serve\n")

    printed = newcomer.type("".join(commands[:serve]), tmp_path)

    assert "Campaign minus-20 is at revision 1" in printed
    assert "complete: 3 codes of 3 records, 0 refused" in printed
    with (first / "links.csv").open(encoding="utf-8", newline="") as file:
        links = {row["external_id"]: row["wallet_link"] for row in csv.DictReader(file)}
    assert list(links) == ["anna", "bruno", "carla"]
    with newcomer.second_terminal(commands[serve].strip(), first):
        told = [newcomer.type(each, first) for each in commands[serve + 1 :]]
        scan, sale = (at for at, each in enumerate(commands) if "/pos/v1/" in each)
        scanned, sold = told[scan - serve - 1], told[sale - serve - 1]
        assert '"outcome":"accepted"' in scanned
        assert '"discount":{"minor":1798' in scanned
        assert '"discount_minor":1798' in sold
        assert (first / "till.key").stat().st_mode & 0o077 == 0
        again = newcomer.type(commands[sale].replace("sale-0001", "sale-0002"), first)
        assert '"reason":"already_redeemed"' in again
        pages = [requests.get(link, timeout=30).text for link in links.values()]
        assert [' spent"' in page for page in pages].count(True) == 1
    assert "paris" in told[-1]
    assert told[-1].endswith("The books are right.\n")


class Wire:
    """A network between a till and its service that loses answers, or is gone."""

    def __init__(self, service: str) -> None:
        self._service = service.rpartition(":")[2]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: Answers to redemptions that are lost from now on.
        self.loses = 0
        #: Redemptions that reached the service.
        self.carried = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                till, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(till,), daemon=True).start()

    def _carry(self, till: socket.socket) -> None:
        with till, socket.create_connection(("127.0.0.1", int(self._service))) as service:
            head = b""
            while b"\r\n\r\n" not in head:
                head += till.recv(65_536)
            start, _, body = head.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", start, re.IGNORECASE)
            while length is not None and len(body) < int(length[1]):
                body += till.recv(65_536)
            service.sendall(start + b"\r\nConnection: close\r\n\r\n" + body)
            answer = b"".join(iter(lambda: service.recv(65_536), b""))
            if b"/pos/v1/redemptions" in start:
                self.carried += 1
                if self.loses:
                    self.loses -= 1
                    return
            till.sendall(answer)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The programs are the same on either database; the tills' own tests run on both."""
    return sqlite_url


@pytest.fixture
def wire(settings: Settings) -> Iterator[Wire]:
    with running_server(settings) as service:
        found = Wire(service)
        yield found
        found.close()


@pytest.fixture
def key(deployment: Deployment) -> str:
    """A terminal's key, in a shop with a coupon that has the page's code."""
    shop = Shop(deployment)
    shop.store()
    percent = Benefit(type=BenefitType.PERCENT, percent=Decimal(20))
    shop.campaign("minus-20", terms=Terms(benefit=percent))
    shop.voucher("minus-20", code="SPRING-7KQ2MX")
    return shop.key(store="paris", terminal="1")


def run(program: str, folder: Path, *, address: str, key: str) -> str:
    """What a program prints that stands beside the page's `till.py`."""
    client, _ = blocks("stores", "python")
    (folder / "till.py").write_text(client, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"TILL_ADDRESS": address, "TILL_KEY": key, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sale_of_the_stores_page_prints_a_receipt_and_is_taken_back(
    wire: Wire, key: str, tmp_path: Path
) -> None:
    _, sale = blocks("stores", "python")

    for _ in range(2):  # Taken back, it can be sold again.
        printed = run(sale, tmp_path, address=wire.address, key=key)
        assert printed.splitlines() == ["Paris", "Minus-20: 17.98 off"]
    assert not list((tmp_path / "journal").iterdir())


def test_the_till_of_the_stores_page_loses_no_sale_when_answers_are_lost(
    wire: Wire, key: str, tmp_path: Path
) -> None:
    sale = blocks("stores", "python")[1].partition("if answer is not None")[0]
    wire.loses = 2

    assert "17.98 off" in run(sale, tmp_path, address=wire.address, key=key)

    # The same call thrice: one use, which a call of its own meets.
    assert wire.carried == 3
    assert "Already redeemed" in run(sale, tmp_path, address=wire.address, key=key)


def test_the_till_of_the_stores_page_gives_the_coupon_back_when_no_answer_came(
    wire: Wire, key: str, tmp_path: Path
) -> None:
    sale = blocks("stores", "python")[1].partition("if answer is not None")[0]
    wire.loses = 100

    impatient = "import till\ntill.PATIENCE = 1.0\n"
    assert "no network" in run(impatient + sale, tmp_path, address=wire.address, key=key)
    assert wire.carried
    assert len(list((tmp_path / "journal").iterdir())) == 1

    wire.loses = 0
    # Its `settle` takes back what came without an answer, so that the coupon is good once more.
    assert "17.98 off" in run(sale, tmp_path, address=wire.address, key=key)
    assert not list((tmp_path / "journal").iterdir())


def test_a_wrong_key_is_a_fault_of_the_till_and_leaves_nothing_to_take_back(
    wire: Wire, key: str, tmp_path: Path
) -> None:
    program = """
        import till
        try:
            till.sell("X", {"currency": "EUR"}, receipt="1", operator="anna")
        except till.Fault as fault:
            print(fault)
    """
    printed = run(textwrap.dedent(program), tmp_path, address=wire.address, key=f"{key}x")

    assert printed.startswith("401: ")
    assert '"code":"key_required"' in printed
    assert not list((tmp_path / "journal").iterdir())


def test_the_stores_page_says_of_each_refusal_what_the_cashier_does() -> None:
    text = (GUIDE / "stores.md").read_text(encoding="utf-8")
    table = text[text.index("| reason | what the cashier does |") :].partition("\n\n")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = [name for cell in first_cells for name in re.findall(r"`([a-z_]+)`", cell)]

    assert sorted(named) == sorted(reason.value for reason in Reason)


def ports_of(text: str, service: int, plain: int, tls: int, folder: Path) -> str:
    """The page's settings of nginx with this machine's ports and folders, and nothing else."""
    for old, new in (
        ("server 127.0.0.1:8001 ", f"server 127.0.0.1:{service} "),
        ("server 127.0.0.1:8002 ", "server 127.0.0.1:9 "),  # One that is down is left out.
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl", f"listen 127.0.0.1:{tls} ssl"),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/letsencrypt/live/pass.example.com", str(folder)),
        ("/var/log/nginx", str(folder)),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(settings_of_page: str, folder: Path, ready: int) -> Iterator[None]:
    """Run nginx as whoever runs the tests."""
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"{settings_of_page}\n}}\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        [
            NGINX or "nginx",
            "-p",
            str(folder),
            "-e",
            f"{folder}/error.log",
            "-c",
            f"{folder}/nginx.conf",
        ],
    ) as process:
        try:
            until = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < until
                with suppress(OSError), socket.create_connection(("127.0.0.1", ready), timeout=1):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


@pytest.mark.skipif(NGINX is None, reason="sudo apt-get install nginx")
def test_the_proxy_of_the_operators_page_serves_all_doors_and_logs_no_link(
    settings: Settings, deployment: Deployment, key: str, tmp_path: Path
) -> None:
    Shop(deployment).campaign("listed", source=Source.LIST)
    marketer = Shop(deployment).key(Scope.ISSUE)
    plain, tls = free_port(), free_port()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1", "pass.example.com")
    leaf.private_key_pem.write_to_path(str(tmp_path / "privkey.pem"))
    for part in leaf.cert_chain_pems:
        part.write_to_path(str(tmp_path / "fullchain.pem"), append=True)
    [page] = blocks("operators", "nginx")
    public = f"https://127.0.0.1:{tls}"
    behind = dataclasses.replace(settings, trusted_proxies=1, log_level="info")
    with running_server(behind) as service:
        told = ports_of(page, int(service.rpartition(":")[2]), plain, tls, tmp_path)
        with nginx(told, tmp_path, tls), requests.Session() as session:
            session.trust_env, session.verify = False, str(tmp_path / "ca.pem")
            assert session.get(f"{public}/readyz", timeout=30).json() == {"status": "ready"}
            assert session.get(f"{public}/metrics", timeout=30).status_code == 404
            for secret in ("/p/secret-link", "/c/minus-20/secret-link", "/p/secret-link/apple"):
                assert session.get(f"{public}{secret}", timeout=30).status_code == 404
            moved = requests.get(
                f"http://127.0.0.1:{plain}/p/secret-link", timeout=30, allow_redirects=False
            )
            assert (moved.status_code, moved.headers["Location"][:8]) == (301, "https://")
            # A till sells through it, once; a marketer's file is larger than what others send.
            authorised = {"Authorization": f"Bearer {key}"}
            sold = session.post(
                f"{public}/pos/v1/redemptions",
                json={"items": [{"barcode": "SPRING-7KQ2MX"}]},
                headers=authorised | {"Idempotency-Key": "1"},
                timeout=30,
            )
            assert sold.json()["outcome"] == "accepted"
            large = "\n".join(f"PROXY-{number:014}" for number in range(60_000)).encode()
            assert len(large) > 1024**2
            address = f"{public}/pos/v1/scans"
            assert (
                session.post(address, data=large, headers=authorised, timeout=60).status_code == 413
            )
            taken = session.post(
                f"{public}/api/v1/imports?campaign=listed",
                data=large,
                headers={"Authorization": f"Bearer {marketer}", "Content-Type": "text/csv"},
                timeout=60,
            )
            assert taken.ok, taken.text
            assert taken.json()["campaign"] == "listed"
    logged = "".join(each.read_text() for each in tmp_path.glob("*.log"))
    assert '"GET /p/..." 404' in logged
    assert '"POST /pos/v1/redemptions" 200' in logged
    assert "secret-link" not in logged


def test_every_metric_that_an_alert_of_the_operators_page_asks_for_is_counted() -> None:
    alerts = "".join(blocks("operators", "yaml"))
    metrics = (GUIDE / "metrics.md").read_text(encoding="utf-8")
    asked = set(re.findall(r"\bpasserelle_[a-z_]+", alerts))

    assert len(asked) > 5
    for name in asked:
        assert f"`{name.removesuffix('_bucket')}`" in metrics, name
