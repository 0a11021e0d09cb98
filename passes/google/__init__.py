"""Google Wallet: classes and objects, save links, callbacks; values in, dicts and texts out."""

from passes.google.account import ServiceAccount
from passes.google.callbacks import Callback, CallbackVerifier, RootKeys
from passes.google.links import SAVE_URL, Saved, carrying_link, save_link, save_links
from passes.google.resources import (
    CLASS_TYPES,
    OBJECT_TYPES,
    class_resource,
    message,
    object_resource,
    resource_id,
)

__all__ = [
    "CLASS_TYPES",
    "OBJECT_TYPES",
    "SAVE_URL",
    "Callback",
    "CallbackVerifier",
    "RootKeys",
    "Saved",
    "ServiceAccount",
    "carrying_link",
    "class_resource",
    "message",
    "object_resource",
    "resource_id",
    "save_link",
    "save_links",
]
