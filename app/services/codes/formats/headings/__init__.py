"""Knows the headings of files of codes.

`systems` has the headings of known systems with their sources, `words` what people write in each
language, `meanings` what a column may hold; `lookup` tells what a heading may mean.
"""
