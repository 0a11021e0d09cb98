"""A message is a template that becomes each recipient's own text, with a voucher in it.

A template is Jinja in a sandbox (`{{ wallet_link("campaign") }}`), or the bracket form that mail
tools of shops know (`[promotional_code(campaign)]`). A voucher is issued the first time that a
recipient's text asks for one. The occasion is the message's id, or the one that the mail to this
recipient is about, so that sending the same message again mints nothing and says the same, and what
was decided for it is what it shows; a campaign for birthdays says the occasion itself. A preview
mints nothing and shows sample values. A campaign with rules decides who gets which value; the text
of who gets nothing has no code of it.

Refuses, before anything is issued: a template that does not parse, a campaign that is unknown or
that the key may not touch, and whatever the grammar does not have: a template has values,
conditions and one loop, and names nothing but the recipient and these functions. Every text has a
budget of steps, bytes and time, which is counted while it works.
"""

from app.services.mailings.expressions import MessageFault
from app.services.mailings.operations import LONGEST_TEXT
from app.services.mailings.render import (
    About,
    check,
    preview,
    render,
)
from app.services.mailings.template import (
    LONGEST_TEMPLATE,
    Message,
    Rendered,
    read,
)
from app.services.mailings.values import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "LONGEST_TEMPLATE",
    "LONGEST_TEXT",
    "About",
    "Message",
    "MessageFault",
    "Rendered",
    "check",
    "preview",
    "read",
    "render",
]
