"""What Apple's push service says, turned into an outcome with its remedy."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from app.delivery.outcomes import DONE, Drop, Outcome, RequestFault, Retry, StopSender

LONGEST_PAUSE = 60.0

#: How long a token waits that was pushed too often, where Apple names no time.
ONE_TOKEN_PAUSE = timedelta(minutes=1)


_DOUBTFUL = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})


_REMEDIES = {
    "BadTopic": "Set PASSERELLE_PASS_TYPE_ID to the identifier in the certificate's UID.",
    "TopicDisallowed": "Set PASSERELLE_PASS_TYPE_ID to the identifier in the certificate's UID.",
    "MissingTopic": "Set PASSERELLE_PASS_TYPE_ID to the identifier in the certificate's UID.",
    "BadCertificateEnvironment": "Push with the Pass Type ID certificate to the production service"
    " (PASSERELLE_APNS_URL), not to the sandbox.",
}


CERTIFICATE_REMEDY = (
    "Put a valid Pass Type ID certificate and its key into apple/pass.pem and apple/pass.key; "
    "no restart is needed."
)


_OUR_FAULT = "This is a fault of Passerelle or of PASSERELLE_APNS_URL: report it with the reason."


def judge(
    status: int, answer: dict[str, Any], *, retry_after: int = 0, failures: int = 0
) -> Outcome:
    """Turn an answer of the push service into an outcome.

    `answer` is its JSON body: `reason`, and with 410 `timestamp` (milliseconds since 1970).
    `retry_after` is in seconds, 0 where the header is absent.
    """
    reason = str(answer.get("reason", "")) or f"HTTP {status}"
    if status == 200:
        return DONE
    if status == 400 and reason in _DOUBTFUL:
        return Drop(reason, doubtful=True)
    if status == 403:
        return StopSender(reason, _REMEDIES.get(reason, CERTIFICATE_REMEDY))
    if status == 410:
        stamp = answer.get("timestamp")
        since = (
            datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int | float) else None
        )
        return Drop(reason, since=since)
    if status == 429:
        # Too many pushes to this one token, which alone waits: as long as Apple asks, else a
        # minute, which grows with each refusal.
        pause = timedelta(seconds=retry_after) if retry_after else ONE_TOKEN_PAUSE
        return Retry(_jittered(pause), reason, asked=bool(retry_after))
    if status >= 500:
        pause = timedelta(seconds=retry_after) if retry_after else backoff(failures + 1)
        return Retry(_jittered(pause), reason, asked=bool(retry_after))
    return RequestFault(reason, _REMEDIES.get(reason, _OUR_FAULT))


def backoff(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: doubled each time, a minute at most."""
    return _jittered(timedelta(seconds=min(LONGEST_PAUSE, 2.0**failures)))


def _jittered(pause: timedelta) -> timedelta:
    # Many pushes that failed together should not come back together.
    return pause * random.uniform(1.0, 1.25)  # noqa: S311


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer's body; empty where there is none."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
