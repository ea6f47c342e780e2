"""What the local analyst looks for. FINDERS in `quadra.insights.local` is the whole list."""
