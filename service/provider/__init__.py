"""The port to the outside: the only place that knows the openai SDK and the tokenizers.

`shapes` and `errors` are plain and free to all. `openai.gateway` and `tokens` are for flows and the offline check only.
"""
