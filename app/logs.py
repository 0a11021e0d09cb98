"""What the processes of the service log: JSON lines on standard error, one a line.

Commands that people type say their sentences themselves; what is logged beneath them goes to
standard error as well, so that it never stands in an export on standard output.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

_SHARED: list[Any] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(level: str) -> None:
    """Write JSON lines from `level` on; once for a process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_SHARED,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def configure_for_people(level: str) -> None:
    """Write lines for people from `level` on, unless the process has its way of logging."""
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(
                logging.getLevelNamesMapping()[level.upper()]
            ),
            # Standard error as it is when something is logged: it may have been redirected.
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )


def of_http_server() -> dict[str, Any]:
    """How Granian logs, which uses Python's own logging: the same JSON lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(
                        serializer=lambda line, **_: orjson.dumps(line).decode()
                    ),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "filters": {"threads": {"()": _ThreadsAreMeant}},
        "loggers": {
            "_granian": {"handlers": ["stderr"], "filters": ["threads"], "propagate": False}
        },
    }


class _ThreadsAreMeant(logging.Filter):
    """Leaves out that there are more threads than cores.

    They wait for the database more than they reckon, and a quarter is kept for tills; whoever
    starts the service would look for a fault of theirs.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Configuration allows spawning up to")
