"""Google Wallet: classes and objects, save links, callbacks; values in, dicts and texts out."""

from passes.google.account import ServiceAccount
from passes.google.callbacks import Callback, CallbackVerifier, RootKeys
from passes.google.links import SAVE_URL, carrying_link, save_all_link, save_link
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
    "ServiceAccount",
    "carrying_link",
    "class_resource",
    "message",
    "object_resource",
    "resource_id",
    "save_all_link",
    "save_link",
]
