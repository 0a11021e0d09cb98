"""What vouchers, codes and money are: plain Python, no framework, database or clock."""
