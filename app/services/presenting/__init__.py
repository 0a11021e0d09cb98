"""A voucher as a customer sees it: one content for every wallet and page.

What holders see follows the campaign's latest revision; what they were granted is their own
revision's, so a holder whose benefit differs from the newest keeps reading the offer that the till
will honour. A pass's state is the pair (voucher version, campaign version) that was read *before*
it was built; whoever records a delivery records that pair.

`holdings` reads a voucher with all that its pass is made of, `templates` holds what a campaign's
passes share, and `contents` puts what is the holder's own upon it.
"""

from app.services.presenting.contents import apple_pass, last_moment, pass_content
from app.services.presenting.holdings import Holding, code_text, current, find, find_all, status
from app.services.presenting.homes import home_changed, show_home
from app.services.presenting.templates import template, template_of

__all__ = [
    "Holding",
    "apple_pass",
    "code_text",
    "current",
    "find",
    "find_all",
    "home_changed",
    "last_moment",
    "pass_content",
    "show_home",
    "status",
    "template",
    "template_of",
]
