"""What a person at the terminal can mend, in a sentence or two: the one map from errors to words.

Whatever is not found here is a fault of the program; its traceback says where.
"""

from __future__ import annotations

import errno

import click
from sqlalchemy.exc import DBAPIError

from app.faults import Fault
from app.services.deployment import Deployment
from app.store import migrations
from app.store.session import Unavailable, fault_of
from passes.errors import PassError


def mendable(error: Exception, deployment: Deployment | None) -> Fault | None:
    """Return what is to be mended; None when nobody at the terminal can.

    Args:
        deployment: the command's, if it has one; its database is asked which schema it has.
    """
    match error:
        case Unavailable():
            return _unavailable(error)
        case Fault():
            return error
        case PassError():
            return Fault(f"{error.field}: {error.cause}", error.remedy)
        case DBAPIError():
            return _of_database(error, deployment)
        case UnicodeEncodeError(reason="surrogates not allowed"):
            return Fault("An argument is not UTF-8 text.", "Write it as the terminal shows it.")
        case OSError(filename=str() | bytes() as name) if error.errno != errno.EPIPE:
            shown = click.format_filename(name)
            return Fault(f"{shown} cannot be used ({error.strerror}).", "Name one that can be.")
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EROFS):
            return Fault(
                f"A file cannot be written ({error.strerror}).", "Make room and repeat it."
            )
        case _:
            return None


def _unavailable(error: Unavailable) -> Fault:
    """The same, with the reason that the driver gave, which names no password."""
    cause = error.__cause__
    if not isinstance(cause, DBAPIError) or not str(cause.orig).strip():
        return error
    reason = str(cause.orig).strip().splitlines()[0].rstrip(".")
    return Fault(
        f"{error} ({reason})", "Check PASSERELLE_DATABASE_URL and the server, then repeat it."
    )


def _of_database(error: DBAPIError, deployment: Deployment | None) -> Fault | None:
    found = fault_of(error)
    if found is None and deployment is not None:
        try:
            migrations.insist(deployment.database)
        except migrations.SchemaFault as lagging:
            return lagging
        if migrations.ahead(deployment.database):
            return migrations.SchemaFault(
                "The database's schema is a later release's, beside which this one cannot do this.",
                "Use that release.",
            )
    if isinstance(found, Unavailable):
        found.__cause__ = error
        return _unavailable(found)
    return found
