"""From a sealed batch to an insight: a local analyst that needs nothing, an LLM analyst where one is configured."""
