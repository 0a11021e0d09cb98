"""Brings codes into campaigns: from files, made by a pattern, or moved from another campaign.

`jobs` keeps the record of an import from its first byte to usable codes. `from_file`, `generated`
and `moved` each begin one kind of it. `formats` understands a file, `sealing` checks a record and
makes it safe, `spool` sorts sealed codes on disk, `table` stores them in short transactions, and
`queue` resumes what a crash interrupted.
"""
