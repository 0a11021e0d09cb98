"""Every fault that a person can mend, as one tree.

::

    Fault                      cannot be done until a person mends its cause
    ├── SettingsError          the environment describes no service that can run
    ├── PortFault              the server cannot listen where it should
    ├── QueueFault             no storage for hints is at PASSERELLE_QUEUE_URL
    ├── DatabaseFault          the database cannot be used as it is
    │   └── SchemaFault        its schema does not suit this release
    ├── Unavailable            the database cannot answer now
    ├── KeyFault               the master keys do not fit the database
    ├── MissingKey             a row names a master key that is not there
    ├── BrokenSeal             a sealed value does not belong to its row
    ├── CertificateFault       the certificates cannot be used
    ├── BackupFault            a backup cannot be made or restored
    ├── AccessFault            an API key cannot be made or changed as asked
    ├── StoreFault             a store cannot be added as asked
    ├── CampaignFault          a campaign cannot be applied
    ├── RecipeFault            a pattern of codes cannot be used
    ├── ImportFault            an import cannot begin or go on
    ├── SpoolBroken            what an import kept is missing: the file must be sent again
    ├── FileFault              a file of codes or recipients cannot be read
    │   ├── ColumnsUnclear     it cannot be told which column holds what
    │   └── CouponUnclear      it has the codes of several coupons
    ├── IssueFault             a campaign issues nothing now
    ├── InvitationFault        an invitation cannot be made as asked
    ├── MessageFault           a message cannot be rendered for anybody
    ├── UpdateFault            an update cannot be made as asked
    ├── WebhookFault           a webhook cannot be made or changed as asked
    ├── CallFault              a till's call cannot be worked on
    ├── Guessing               too many look-ups found nothing
    └── Unknown                nothing is called so
        ├── CampaignUnknown
        ├── ImportUnknown
        ├── RecipientUnknown
        ├── StoreUnknown
        ├── UpdateUnknown
        └── VoucherUnknown

Each is raised with its cause and its remedy, sentences for whoever has to mend it, and has a code,
its stable name for programs. The command line maps the tree once, to words and an exit status
(`app.cli.mending`); so do the doors, to problems (`app.web.problems.problem_of`). Whatever is not
in the tree is a fault of the program, and shows where.
"""

from __future__ import annotations

from typing import ClassVar


class Fault(Exception):
    """Something that cannot be done until a person mends its cause.

    Args:
        cause: what is wrong, in a sentence; it may name the remedy in the same breath.
        remedy: what to do, in a sentence.
        code: stable name for programs; its class's when absent.
        retry_after: seconds after which it may be otherwise; its class's when absent.
    """

    #: The exit status of a command that ends with it: 1 where it cannot be done, 2 where it was
    #: asked for wrongly.
    status: ClassVar[int] = 1
    code: str = "fault"
    retry_after: int | None = None

    def __init__(
        self,
        cause: str,
        remedy: str = "",
        *,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(" ".join(filter(None, (cause, remedy))))
        self.cause = cause
        self.remedy = remedy
        if code is not None:
            self.code = code
        if retry_after is not None:
            self.retry_after = retry_after


class Unknown(Fault):
    """Nothing is called so.

    Whether it exists for others is nobody's to learn: a door answers it in its code's own words.
    """


class CampaignUnknown(Unknown):
    """No campaign has that key; `nearest` is one that looks like it."""

    code = "campaign_unknown"

    def __init__(self, key: str, nearest: str | None = None) -> None:
        shown = "`passerelle campaign list` shows all."
        super().__init__(f"No campaign {key!r} exists.", _guess(nearest) + shown)
        self.key = key


class StoreUnknown(Unknown):
    """No store has that key; `nearest` is one that looks like it."""

    code = "unknown_store"

    def __init__(self, key: str, nearest: str | None = None) -> None:
        made = "`passerelle stores add` makes one."
        super().__init__(f"No store {key!r} exists.", _guess(nearest) + made)
        self.key = key


class VoucherUnknown(Unknown):
    """No voucher has that serial."""

    code = "voucher_unknown"

    def __init__(self) -> None:
        super().__init__("No such voucher is known.", "Check its serial.")


class ImportUnknown(Unknown):
    """No import has that id."""

    code = "import_unknown"

    def __init__(self, job_id: object) -> None:
        super().__init__(f"No import {job_id} is known.", "`passerelle imports list` shows all.")


class UpdateUnknown(Unknown):
    """No update has that id."""

    code = "update_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such update.", "The campaign's updates list their ids.")


class RecipientUnknown(Unknown):
    """No recipient has that external id, which may be somebody's name and so is not repeated."""

    code = "recipient_unknown"

    def __init__(self) -> None:
        super().__init__("There is no such recipient.", "Check the external id.")


def _guess(nearest: str | None) -> str:
    return f"Did you mean {nearest!r}? " if nearest else ""
