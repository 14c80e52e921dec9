"""Tuneplane's service: one package per domain, in the strict chain of docs/ and pyproject's import contracts."""
