"""Codes on their way in: files of any size and system, and codes generated here.

`reading` understands the file, `sealing` checks a record and makes it safe, `spool` sorts on disk,
`loading` fills the table in short transactions. `jobs` keeps the record of an import from its first
byte to usable codes; `arriving` begins it with a file and `generating` with a pattern, `filling`
ends it, and `resuming` goes on where a crash interrupted it. `moving` takes the codes of one
campaign into another.
"""

from app.services.importing.arriving import columns_from, import_file, receive
from app.services.importing.filling import load
from app.services.importing.generating import generate, recipe_of
from app.services.importing.jobs import ImportFault, Standing, cancel, listed, rejects, standing
from app.services.importing.moving import begin_taking, go_on, take
from app.services.importing.resuming import resume

__all__ = [
    "ImportFault",
    "Standing",
    "begin_taking",
    "cancel",
    "columns_from",
    "generate",
    "go_on",
    "import_file",
    "listed",
    "load",
    "receive",
    "recipe_of",
    "rejects",
    "resume",
    "standing",
    "take",
]
