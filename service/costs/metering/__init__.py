"""Inference on tuned models: what providers say it used, whose it was, and its entries in the ledger."""
