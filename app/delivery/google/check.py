"""Whether Google will take what we send, in plain words, for `passerelle certs check --online`.

The account, the issuer, the callback's reachability and what only people can see are each
named with what to do. It reads, and inserts nothing. It does not guess; what Google's API does not
tell is said to be looked up in Google's console.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.delivery.google.calls import Calls
from app.delivery.google.rest import GoogleAnswer, ResourceVerdict
from app.delivery.wire import Unanswered, Wire
from app.services.certificates import CertificateFault
from app.services.deployment import Deployment
from app.services.wallets.google.resources import public_url
from passes.signing import Finding

#: Seconds in which our own door has to answer, and bytes of its answer.
_SECONDS = 10.0
_LARGEST = 100_000
_CONSOLE = "the Google Pay & Wallet console (https://pay.google.com/business/console)"


def check(deployment: Deployment) -> Iterator[Finding]:
    """Yield what is good and what is wrong, in the order in which it is mended."""
    try:
        account = deployment.certificates.account
    except CertificateFault as fault:
        yield Finding("error", "google/service-account.json", str(fault))
        return
    calls = Calls(deployment)
    try:
        issuer = deployment.settings.google_issuer_id
        answers = [
            calls.paced(lambda: calls.api.classes("offerClass", issuer)),
            calls.paced(lambda: calls.api.classes("giftCardClass", issuer)),
        ]
    finally:
        calls.close()
    yield from _account(answers[0], account.email, issuer)
    if all(answer.ok for answer in answers):
        yield _publishing(answers)
    yield _callback(deployment)


def _account(answer: GoogleAnswer, email: str, issuer: str) -> Iterator[Finding]:
    match answer.verdict:
        case ResourceVerdict.OK:
            yield Finding("good", "service account", f"Google knows {email}.")
            yield Finding("good", "issuer", f"{email} may act for issuer {issuer}.")
        case ResourceVerdict.UNAUTHENTICATED:
            yield Finding(
                "error",
                "service account",
                f"Google does not accept it: {answer.reason}",
                "Check this machine's clock; then make a new JSON key for the account in Google"
                " Cloud's console, and see that the Google Wallet API is enabled there.",
            )
        case ResourceVerdict.FORBIDDEN | ResourceVerdict.MISSING | ResourceVerdict.INVALID:
            yield Finding("good", "service account", f"Google knows {email}.")
            yield Finding(
                "error",
                "issuer",
                f"Google lets it touch nothing of issuer {issuer}: {answer.reason}",
                f"In {_CONSOLE} invite {email} as a user with write access, and set"
                " PASSERELLE_GOOGLE_ISSUER_ID to the issuer id shown there (not the service"
                " account's client id).",
            )
        case _:
            yield Finding(
                "warning",
                "service account",
                f"Google did not answer clearly: {answer.reason}",
                "Check that this machine reaches walletobjects.googleapis.com, and try again.",
            )


def _publishing(answers: list[GoogleAnswer]) -> Finding:
    """Say what can be said: the API shows classes' reviews, and never the publishing state."""
    classes = [
        each for answer in answers if answer.resource for each in answer.resource["resources"]
    ]
    refused = [each["id"] for each in classes if each.get("reviewStatus") == "REJECTED"]
    if refused:
        return Finding(
            "error",
            "publishing",
            f"Google rejected {', '.join(refused)}.",
            f"Read the review in {_CONSOLE}, revise the campaign; the class is sent again.",
        )
    return Finding(
        "warning" if not classes else "good",
        "publishing",
        f"Google holds {len(classes)} classes of ours, none of them rejected.",
        "Until publishing access is granted, titles say [TEST ONLY] and only users of the console"
        f" can save: if a phone shows that, request publishing access in {_CONSOLE}.",
    )


def _callback(deployment: Deployment) -> Finding:
    """Knock at our own door from outside, as Google would: what is not signed must be refused."""
    base = deployment.settings.base_url
    address = f"{public_url(base)}/google/callback"
    if not base.startswith("https://"):
        return Finding(
            "warning",
            "callback",
            f"PASSERELLE_BASE_URL is {base}; Google calls {address} and reaches https only.",
            "Set PASSERELLE_BASE_URL to the public https address.",
        )
    wire = Wire()
    try:
        answer = wire.send("POST", address, seconds=_SECONDS, most=_LARGEST, body=b"{}")
    except Unanswered as fault:
        return Finding(
            "error",
            "callback",
            f"{address} cannot be reached. {fault.reason}",
            "Check DNS, the certificate and the firewall; without it saves and deletions stay"
            " unknown for a day.",
        )
    finally:
        wire.close()
    if answer.status == 400:
        return Finding("good", "callback", f"{address} answers, and refuses what is not Google's.")
    if answer.status == 503:
        return Finding(
            "warning",
            "callback",
            f"{address} answers, but Google's keys are not here yet.",
            "Run a worker, which fetches them; check PASSERELLE_GOOGLE_CALLBACK_KEYS_URL.",
        )
    return Finding(
        "error",
        "callback",
        f"{address} answered {answer.status}, which is not this service's door.",
        "Let the proxy pass POST /google/callback on unchanged.",
    )
