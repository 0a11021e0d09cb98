"""Every part of the service counts in this registry, and `/metrics` shows it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

REGISTRY = CollectorRegistry()
