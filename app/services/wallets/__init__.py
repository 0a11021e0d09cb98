"""Passes in wallets: what a voucher shows there, where it is held, and what is owed to it.

`holdings` reads a voucher with all that its pass is made of, `content` makes one content of it for
every wallet and page, `apple` and `google` have what is a wallet's own, and `health` says how far
all of them are. What holders see follows the campaign's latest revision; what they were granted is
their own revision's, so a holder whose benefit differs from the newest keeps reading the offer that
the till will honour. A pass's state is the pair (voucher version, campaign version) that was read
*before* it was built; whoever records a delivery records that pair.
"""
