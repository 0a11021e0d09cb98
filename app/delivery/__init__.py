"""The only network clients: what phones, wallets and marketing clouds are told."""
