"""Pushes to Apple: one HTTP/2 connection, kept open and multiplexed, every answer a value.

Whatever Apple's push service answers, and whatever the network does, each push ends as
one `Outcome`; one connection serves all pushes, as many at once as the server's SETTINGS allow; it
survives GOAWAY, is reopened with growing pauses (Apple counts rapid reconnects as abuse), and is
replaced as soon as another certificate signs passes. Nothing waits for ever, and nobody waits for
a push that is not answered but the one who sent it.
It does not send anything while Apple refuses the certificate, and only one thread uses it.

Rules: developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
and handling-notification-responses-from-apns. A pass update is an empty push whose topic is the
pass type identifier, sent with the Pass Type ID certificate, to the production service always.
"""

from app.delivery.apns.answers import judge
from app.delivery.apns.sender import PRODUCTION, ApnsSender, BarePush, Pause, Push

__all__ = ["PRODUCTION", "ApnsSender", "BarePush", "Pause", "Push", "judge"]
