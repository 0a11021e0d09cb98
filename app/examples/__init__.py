"""Example campaigns: files that a marketer can copy, and that the demo applies."""
