"""Stand-ins for Apple, Google and the rest on loopback; for `demo` and tests, never the service."""
