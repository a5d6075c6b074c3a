"""Text inside SQL that cannot be bound as a parameter: one place that knows how to keep it text."""


def quoted(text: str, quote: str = "'") -> str:
    """`text` as a string of ClickHouse's SQL, or with a backtick as an identifier."""
    escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
    return f"{quote}{escaped}{quote}"
