"""The registry that every part of the service counts in, and that `/metrics` shows."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry()
