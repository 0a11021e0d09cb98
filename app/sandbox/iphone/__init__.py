"""An iPhone's Wallet, as far as a web service can tell: it installs, registers, is pushed, fetches.

Promises: it speaks Apple's protocol the way devices do, surprises included: it lists without a tag
right after an install, fetches with the Last-Modified it was given, re-registers with a new push
token, keeps trying what failed, and reports to /v1/log, in Wallet's own words, what Wallet reports.
It opens no pass whose signature, manifest and chain do not hold.
Refuses: to be kinder than a phone. It never looks at anything but what the protocol gives it.

Rules: developer.apple.com/documentation/walletpasses/adding-a-web-service-to-update-passes.
"""

from app.sandbox.iphone.fleet import Fleet
from app.sandbox.iphone.phone import Key, Phone, WalletCard
from app.sandbox.line import LossyLine, Lost, ServiceAnswer

__all__ = ["Fleet", "Key", "LossyLine", "Lost", "Phone", "ServiceAnswer", "WalletCard"]
