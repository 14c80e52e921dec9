"""OpenAI's wire format, spoken by OpenAI, Azure OpenAI and compatible servers."""
