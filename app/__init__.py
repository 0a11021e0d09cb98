"""The service: issues vouchers, serves their passes, redeems them, keeps the phones true."""
