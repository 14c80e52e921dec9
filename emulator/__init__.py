"""A stand-in for OpenAI's fine-tuning API: a real HTTP server with the same wire format and a scriptable world.

It imports nothing of the service. `python -m emulator` runs it, `emulator.app.create_app` builds it, docs/emulator.md
says what is true in it and what is simplified. A "§" in a docstring names a fact about the real API; docs/emulator.md
ends with the list of these facts and of where each is from.
"""
