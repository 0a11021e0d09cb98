"""The WSGI entry point: `granian --interface wsgi wsgi:application`, or any other server."""

from app import create_app

application = create_app()
