"""Google Wallet: classes and objects as Google has them, links that save them, and callbacks.

Nothing here talks to the network; what should be at Google is a row, which the delivery
brings there.
"""
