"""The campaign file is checked whole: each fault has its place and its remedy.

A file is TOML, or the same shape as JSON through the API. Each section is read by itself, so that
a fault in one does not hide those of the others; checks across sections run on whatever could be
read. Nothing here knows the database. Amounts are written as people write them ("15.00") and
become minor units of the campaign's currency; times without a zone are the campaign's own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain import inputs
from app.services.campaigns.file.document import CampaignFile, read_draft
from app.services.campaigns.file.draft import CampaignFault, DocumentFault, Draft
from app.services.campaigns.file.reading import DocumentReader

__all__ = [
    "LARGEST_FILE",
    "CampaignFault",
    "CampaignFile",
    "DocumentFault",
    "Draft",
    "read_document",
    "read_file",
]

#: The most pictures may weigh before they are resized.
LARGEST_PICTURE = 10_000_000
#: The most that a campaign file weighs; through the API, too.
LARGEST_FILE = 1_000_000


def read_file(path: Path) -> Draft:
    """The campaign that the TOML file at `path` describes; pictures are read beside it.

    Raises:
        CampaignFault: every fault of the file.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CampaignFault(
                [
                    DocumentFault(
                        str(path), "is larger than 1 MB.", "Write a campaign, and pictures beside."
                    )
                ]
            )
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CampaignFault(
            [
                DocumentFault(
                    str(path), f"cannot be read ({error.strerror}).", "Name a readable file."
                )
            ]
        ) from None
    except UnicodeDecodeError:
        raise CampaignFault(
            [DocumentFault(str(path), "is not UTF-8 text.", "Save it in the encoding UTF-8.")]
        ) from None
    except RecursionError:
        raise CampaignFault(
            [
                DocumentFault(
                    str(path), "nests without end.", "Write the sections that the guide shows."
                )
            ]
        ) from None
    except ValueError as error:
        # The parser's own, or that of a number with thousands of digits.
        raise CampaignFault(
            [DocumentFault(str(path), f"is not TOML: {error}.", "Mend the place that it names.")]
        ) from None
    return read_document(document, pictures=lambda name: _beside(path, name))


def read_document(document: Mapping[str, Any], *, pictures: Any = None) -> Draft:
    """The campaign that a parsed file or an API request describes.

    Args:
        pictures: from a name in `look` to bytes, raising OSError; None takes digests of pictures
            that are stored already.

    Raises:
        CampaignFault: every fault.
    """
    refused = [
        DocumentFault(fault.at, f"{fault.cause}.", "Mend the value.")
        for fault in inputs.faults(document)
        if not _is_shown(fault.at)
    ]
    if refused:
        raise CampaignFault(refused)
    return read_draft(DocumentReader(document, pictures))


def _is_shown(at: str) -> bool:
    """Whether a pass shows what stands at a place: its trial judges all that it shows."""
    section, *rest = at.split(".")
    return section in ("texts", "fields", "links", "places") or "texts" in rest


def _beside(path: Path, name: str) -> bytes:
    picture = path.parent / name
    if picture.stat().st_size > LARGEST_PICTURE:
        raise OSError(27, "larger than 10 MB")
    return picture.read_bytes()
