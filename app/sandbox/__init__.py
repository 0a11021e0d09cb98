"""Stand-ins for the world outside, on loopback: for the demo and tests, never for the service."""
