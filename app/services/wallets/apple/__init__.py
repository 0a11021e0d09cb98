"""Apple Wallet: devices, the passes each of them registered for, and what each was told of them.

A device is told of a change until it has fetched it; what it is told never depends on a
clock or on the order in which transactions commit, only on whether the pair (voucher version,
campaign version) differs from the one it was told. A device row is locked before its
registrations are touched, so lists, registrations and removals of one device follow one another.

Rules: developer.apple.com/documentation/walletpasses/adding-a-web-service-to-update-passes.
"""
