"""Certificates, pictures and templates that are made once for all pass tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from passes import Presentation
from passes.apple import Template
from passes.artwork import Artwork
from passes.google import ServiceAccount
from passes.signing import Signer, throwaway
from tests.passes import samples


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    throwaway(folder, now=samples.NOW)
    return folder


@pytest.fixture(scope="session")
def signer(certificates: Path) -> Signer:
    return Signer.load(certificates)


@pytest.fixture(scope="session")
def account(certificates: Path) -> ServiceAccount:
    return ServiceAccount.load(certificates)


@pytest.fixture(scope="session")
def art() -> Artwork:
    return samples.artwork()


@pytest.fixture(scope="session")
def presentation(art: Artwork) -> Presentation:
    return samples.presentation(art)


@pytest.fixture(scope="session")
def gift_presentation(art: Artwork) -> Presentation:
    return samples.gift_presentation(art)


@pytest.fixture(scope="session")
def template(presentation: Presentation) -> Template:
    return Template(presentation)
