"""The guide's pages: Markdown, read in the repository and served by the service at `/guide`.

A page links to another by its file (`stores.md#heading`) and to nothing else of the repository, so
that each link leads to the same place in both. Pages that begin with `[//]: # (Generated` are
written by `python -m tests.reference` from the code that they describe.
"""
