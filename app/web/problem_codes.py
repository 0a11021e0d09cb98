"""Every problem that a door answers: its code, its HTTP status, what happened, what to do.

A door raises no problem that is not here (`app.web.problems.Problem`), the description of
`/openapi.json` lists those of each operation, and the guide's reference is made from this table.
A fault of a use case (`app.faults.Fault`) carries the code that is its place here.

The words are what is said where whoever raises a problem says nothing more exact.
"""

from __future__ import annotations

from enum import StrEnum


class ProblemCode(StrEnum):
    """A stable name for programs, with its status, cause and remedy.

    The value is the `code` of a problem; `status` is the HTTP status with which it is answered,
    `cause` and `remedy` are a sentence each.
    """

    status: int
    cause: str
    remedy: str

    def __new__(cls, code: str, status: int, cause: str, remedy: str) -> ProblemCode:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.cause = cause
        member.remedy = remedy
        return member

    @classmethod
    def named(cls, code: str) -> ProblemCode | None:
        """The one of that name, if there is one."""
        return next((each for each in cls if each.value == code), None)

    # -- the request --

    BAD_REQUEST = (
        "bad_request",
        400,
        "The request cannot be read.",
        "Send what /openapi.json describes.",
    )
    IDEMPOTENCY_KEY_REQUIRED = (
        "idempotency_key_required",
        400,
        "The request carries no Idempotency-Key of 1 to 128 visible ASCII characters.",
        "Send a fresh random key with each new attempt, and the same one to repeat it.",
    )
    NOT_FOUND = (
        "not_found",
        404,
        "There is nothing at this address.",
        "Check the address against /openapi.json.",
    )
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "The address does not take this method.",
        "Use a method that the Allow header names.",
    )
    TOO_SLOW = (
        "too_slow",
        408,
        "The request's body did not come in time.",
        "Send the whole request at once; send it again with the same Idempotency-Key.",
    )
    TOO_LARGE = (
        "too_large",
        413,
        "The body is larger than this door takes.",
        "Send less, or in several requests.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        415,
        "The body has a media type that this door does not read.",
        "Send application/json.",
    )
    INVALID_REQUEST = (
        "invalid_request",
        422,
        "The request does not fit its description.",
        "Mend what `errors` names; /openapi.json describes the request.",
    )
    HTTP_ERROR = (
        "http_error",
        400,
        "The request breaks a rule of HTTP; the status says which.",
        "See /openapi.json.",
    )

    # -- who asks --

    KEY_REQUIRED = (
        "key_required",
        401,
        "The request carries no valid API key.",
        "Send `Authorization: Bearer pk_…` with a key that is not revoked or expired.",
    )
    OPERATORS_ONLY = (
        "operators_only",
        401,
        "What is counted here is for operators.",
        "Send `Authorization: Bearer …` with the deployment's PASSERELLE_METRICS_TOKEN.",
    )
    SCOPE_MISSING = (
        "scope_missing",
        403,
        "The key may not do this.",
        "Use a key with one of the scopes that the operation names.",
    )
    CAMPAIGN_KEY_REFUSED = (
        "campaign_key_refused",
        403,
        "This is of more than some campaigns, and the key is bound to some.",
        "Use a key that was made without --campaign, or with --campaign for each.",
    )
    STORE_KEY_REFUSED = (
        "store_key_refused",
        403,
        "This is of more than one store, and the key is bound to one.",
        "Use a key that was made without --store.",
    )
    TERMINAL_KEY_REQUIRED = (
        "terminal_key_required",
        403,
        "The key is not bound to a terminal.",
        "Use a key that was made with --store and --terminal.",
    )
    FOREIGN_PAGE = (
        "foreign_page",
        403,
        "The request does not come from the till page.",
        "Open /till and sign in there.",
    )
    GUESSING = (
        "guessing",
        429,
        "Too many codes or keys that do not exist came from here.",
        "Wait for the seconds in Retry-After; genuine ones work on.",
    )
    RATE_LIMITED = (
        "rate_limited",
        429,
        "Too many requests came from here.",
        "Wait for the seconds in Retry-After.",
    )

    # -- what does not exist, or is not the key's: the same is said of both --

    CAMPAIGN_UNKNOWN = (
        "campaign_unknown",
        404,
        "No such campaign is known to this key.",
        "Check the campaign, and what the key is bound to.",
    )
    VOUCHER_UNKNOWN = (
        "voucher_unknown",
        404,
        "No such voucher is known to this key.",
        "Check the voucher, and what the key is bound to.",
    )
    IMPORT_UNKNOWN = (
        "import_unknown",
        404,
        "No such import is known to this key.",
        "Check the import, and what the key is bound to.",
    )
    UPDATE_UNKNOWN = (
        "update_unknown",
        404,
        "No such update is known to this key.",
        "Check the update, and what the key is bound to.",
    )
    RECIPIENT_UNKNOWN = (
        "recipient_unknown",
        404,
        "No such recipient is known to this key.",
        "Check the recipient, and what the key is bound to.",
    )
    WEBHOOK_UNKNOWN = (
        "webhook_unknown",
        404,
        "No such webhook is known to this key.",
        "Check the webhook, and what the key is bound to.",
    )
    KEY_UNKNOWN = (
        "key_unknown",
        404,
        "No call under this Idempotency-Key was worked on.",
        "Send the call again with the same key, or reverse it by key.",
    )

    # -- campaigns and what they issue --

    CAMPAIGN_FAULTY = (
        "campaign_faulty",
        422,
        "The campaign cannot be applied.",
        "Mend what `errors` names.",
    )
    PICTURE_FAULTY = (
        "picture_faulty",
        422,
        "The picture cannot be used.",
        "Send a PNG or JPEG as the body.",
    )
    TEMPLATE_FAULTY = (
        "template_faulty",
        422,
        "The template cannot be rendered.",
        "Mend the template in the line that `detail` names.",
    )
    NOT_ISSUED = (
        "not_issued",
        422,
        "The campaign issues nothing now, or the voucher cannot be issued anew.",
        "Set the campaign live, extend it or name another; then send the same request again.",
    )
    ISSUE_REFUSED = (
        "issue_refused",
        422,
        "The campaign decides nothing now.",
        "Mend the campaign and send the same request again.",
    )
    NOT_INVITED = (
        "not_invited",
        422,
        "A recipient cannot be invited.",
        "Mend what `errors` names; nobody was invited.",
    )
    NOT_DUE = (
        "not_due",
        422,
        "The recipient's birthday is not due.",
        "Send the request again when it is: the campaign says how many days before.",
    )
    NO_BIRTHDAY = (
        "no_birthday",
        422,
        "No birthday of the recipient is known.",
        "Send the recipient's birth_date with the request.",
    )
    RECIPIENT_FORGOTTEN = (
        "recipient_forgotten",
        422,
        "The recipient was forgotten at their own wish.",
        "Store the recipient with POST /api/v1/recipients when they come back.",
    )
    HELD_BY_A_TILL = (
        "held_by_a_till",
        422,
        "A till holds a part of the voucher.",
        "Capture or void the hold, or wait until it ends; then ask again.",
    )

    # -- imports --

    IMPORT_REFUSED = (
        "import_refused",
        422,
        "The file or the request holds no codes that the campaign can take.",
        "Mend the file or the campaign, then send the file again.",
    )
    COLUMNS_UNCLEAR = (
        "columns_unclear",
        422,
        "Which columns hold the codes and the money cannot be told.",
        "Send the file again with a `column` for each that matters, such as column=code=3.",
    )
    COUPON_UNCLEAR = (
        "coupon_unclear",
        422,
        "The file has codes of several coupons.",
        "Send the file again with one of `coupons` as `coupon`.",
    )
    NOT_TAKEN = (
        "not_taken",
        422,
        "The codes cannot move between these two campaigns.",
        "Name two different campaigns of the same kind and currency, whose codes are lists.",
    )

    # -- updates --

    ALREADY_PUBLISHED = (
        "already_published",
        409,
        "The update is published, or was taken back.",
        "Order another update that says what holders should see instead, or pause deliveries.",
    )
    NOTHING_TO_UPDATE = (
        "nothing_to_update",
        422,
        "The update changes nothing.",
        "Give presentation, message or a term.",
    )
    INVALID_PRESENTATION = (
        "invalid_presentation",
        422,
        "The presentation does not fit the campaign.",
        "Write it as the campaign's own presentation is written.",
    )
    INVALID_OVERRIDE = (
        "invalid_override",
        422,
        "The terms do not fit the campaign's vouchers.",
        "Override terms that the campaign's vouchers have.",
    )
    TOO_MANY_VOUCHERS = (
        "too_many_vouchers",
        422,
        "More vouchers are named than one request changes.",
        "Send several requests, or update the campaign.",
    )
    ENDS_AT_MISMATCH = (
        "ends_at_mismatch",
        422,
        "ends_at is for prolonging.",
        "Give it with prolong, and only then.",
    )
    REASON_MISMATCH = (
        "reason_mismatch",
        422,
        "reason is for withdrawing.",
        "Give it with withdraw, and only then.",
    )
    WOULD_SHORTEN = (
        "would_shorten",
        422,
        "A voucher has no end, or a later one.",
        "Prolong to a later time, or withdraw it.",
    )
    WEBHOOK_FAULTY = (
        "webhook_faulty",
        422,
        "The webhook cannot be told anything as it is.",
        "Mend the webhook's address or list, and send the request again.",
    )

    # -- tills and reported uses --

    IDEMPOTENCY_KEY_REUSED = (
        "idempotency_key_reused",
        422,
        "The Idempotency-Key was used for another request.",
        "Use a fresh key for a new attempt.",
    )
    STILL_RUNNING = (
        "still_running",
        409,
        "A request with the same Idempotency-Key or receipt is still at work.",
        "Wait and send the same request again.",
    )
    UNKNOWN_STORE = (
        "unknown_store",
        422,
        "The store does not exist or is closed.",
        "Name a store that exists, by its key.",
    )
    OTHER_STORE = (
        "other_store",
        422,
        "The API key is bound to another store.",
        "Leave the store out, or use that store's API key.",
    )
    UNKNOWN_TERMINAL = (
        "unknown_terminal",
        422,
        "The terminal does not exist in that store, or is closed.",
        "Name a terminal of the store, by its key.",
    )
    OTHER_TERMINAL = (
        "other_terminal",
        422,
        "The API key is bound to another terminal.",
        "Leave the terminal out, or use that terminal's API key.",
    )
    NOT_UTF8 = ("not_utf8", 422, "The file is not UTF-8.", "Save it as UTF-8.")
    FAULTY_FILE = (
        "faulty_file",
        422,
        "The file's columns cannot be told.",
        "Name the columns in the first line.",
    )

    # -- the customer's links --

    LINK_UNKNOWN = (
        "link_unknown",
        404,
        "There is no such link.",
        "Open the link from the message in which it came.",
    )
    LINK_WITHDRAWN = (
        "link_withdrawn",
        410,
        "The link was withdrawn.",
        "Use the link in the latest message.",
    )
    OFFER_ENDED = (
        "offer_ended",
        410,
        "The offer is over.",
        "Invite again with a campaign that runs.",
    )
    SOLD_OUT = (
        "sold_out",
        409,
        "The campaign has no codes left.",
        "Import or generate more codes; the same link works then.",
    )
    WALLET_WAITING = (
        "wallet_waiting",
        503,
        "Google does not have every pass yet.",
        "Try again in a few seconds.",
    )

    # -- the service --

    FAULT = (
        "fault",
        500,
        "The service failed; this is its fault, not the request's.",
        "Try again; if it stays, tell the operator the request_id.",
    )
    UNAVAILABLE = (
        "unavailable",
        503,
        "The database cannot answer now.",
        "Send the same request again, with the same Idempotency-Key.",
    )
    MISCONFIGURED = (
        "misconfigured",
        503,
        "The service's keys or certificates cannot be used.",
        "Tell the operator: /readyz and the log name what is wrong.",
    )
    BUSY = (
        "busy",
        503,
        "As many requests of this kind as may run at once are running.",
        "Send the same request again after the seconds in Retry-After.",
    )
    ENDING = (
        "ending",
        503,
        "This server process ends.",
        "Send the same request again, with the same Idempotency-Key.",
    )


#: Every problem there is, in the order in which a reader looks for it.
PROBLEMS: tuple[ProblemCode, ...] = tuple(ProblemCode)
