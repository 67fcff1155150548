"""The operators: they launch sessions and wait for them, or destroy them.

They speak to the platform through the hook alone; what to do about a task's sessions is decided in
``task_sessions``.
"""
