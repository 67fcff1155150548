"""The hook: how Airflow reaches the platform, through a connection, from blocking and from async code.

What a task does with the platform belongs in operators, sensors and triggers.
"""
