"""The database: tables, the session with the only commit, the keyring, and migrations."""
