"""Coupon and gift-card passes for Apple Wallet and Google Wallet: values in, bytes or dicts out."""
