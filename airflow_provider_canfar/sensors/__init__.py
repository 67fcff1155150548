"""The sensors: waiting for sessions that others launched."""
