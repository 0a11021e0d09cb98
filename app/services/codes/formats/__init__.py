"""Understands files of codes, whatever system wrote them, and files of recipients.

`reader` tells the format of a file of codes and yields its records; `recipients` reads CSV files of
people. `columns` finds out what each column of a table holds, `verdicts` what a row says of its
code, and `headings` is what systems and people write over columns.
"""
