"""Codes on their way in: files of any size and system, and codes generated here.

`reading` understands the file, `sealing` checks a record and makes it safe, `spool` sorts on disk,
`loading` fills the table in short transactions, and `jobs` leads an import from its first byte to
usable codes.
"""

from app.services.importing.jobs import (
    ImportFault,
    Standing,
    cancel,
    generate,
    import_file,
    listed,
    load,
    receive,
    recipe_of,
    rejects,
    resume,
    standing,
)

__all__ = [
    "ImportFault",
    "Standing",
    "cancel",
    "generate",
    "import_file",
    "listed",
    "load",
    "receive",
    "recipe_of",
    "rejects",
    "resume",
    "standing",
]
