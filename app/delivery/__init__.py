<<<<<<< HEAD
"""The only network clients of the service, and the engine that decides what they are told."""
=======
"""The only network clients: what phones, wallets and marketing clouds are told."""
>>>>>>> main
