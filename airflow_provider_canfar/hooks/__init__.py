"""The hook, and what it needs to reach the platform."""
