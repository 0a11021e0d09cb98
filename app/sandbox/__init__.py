"""Stand-ins for the world outside, on loopback: for the demo and for tests, never for the service."""
