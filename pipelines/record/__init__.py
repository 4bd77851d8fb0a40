"""The record of what ran: journals first, then MLflow."""
