"""Campaigns: their revisions as values."""

from app.services.campaigns.stored import presentation_of, terms_of

__all__ = ["presentation_of", "terms_of"]
