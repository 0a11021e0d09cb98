"""Stores, terminals and keys come from a file, whole or not at all, and once."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from app.services import access, stores
from app.services.deployment import Deployment
from app.services.stores import StoreFault
from app.store.models import ApiKey, Store, Terminal

FILE = """store;terminal;name;timezone;language;channel;latitude;longitude
paris;1;Paris Opéra;Europe/Paris;fr;store;48.87;2.33
paris;2;Paris Opéra;Europe/Paris;fr;store;;
web;www;;;;online;;
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_makes_stores_terminals_and_keys_once(deployment: Deployment) -> None:
    rows = stores.read(FILE)
    for expected in ((2, 3, 3), (0, 0, 0)):
        with deployment.database.write() as session:
            done = stores.apply(session, rows, now=deployment.now(), with_keys=True)
        assert (done.stores, done.terminals, len(done.keys)) == expected
        if expected[0]:
            keys = {(store, terminal): key for store, terminal, key in done.keys}
    with deployment.database.read() as session:
        assert session.scalar(select(func.count(ApiKey.id))) == 3
        client = access.authenticate(session, keys["paris", "2"], now=deployment.now())
        assert client is not None
        terminal = session.get_one(Terminal, client.terminal_id)
        store = session.get_one(Store, terminal.store_id)
        assert (terminal.key, store.name, store.language) == ("2", "Paris Opéra", "fr")
        assert client.scopes == {"pos"}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("shop,till\na,1\n", "Missing: store, terminal"),
        ("store,terminal\na,1\na,1\n", "line 3: terminal 1 of store a came before"),
        ("store,terminal\n,1\na b,1\n", "line 2.*line 3"),
        ("store,terminal,timezone\na,1,Mars/Base\n", "no time zone"),
        ("store,terminal,latitude\na,1,91\n", "not between"),
        ("store,terminal,channel\na,1,phone\n", "neither store nor online"),
    ],
)
def test_every_fault_of_a_file_is_named_and_nothing_imported(content: str, cause: str) -> None:
    with pytest.raises(StoreFault, match=cause):
        stores.read(content)
