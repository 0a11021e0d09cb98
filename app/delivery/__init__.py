"""The only network clients of the service, and the engine that decides what they are told."""
