"""The mirror in Redis: its keys, the inbox, the commit, the reading side, the connection and the embedded server."""
