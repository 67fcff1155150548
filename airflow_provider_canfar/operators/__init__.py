"""The operators, and the loop they share."""
