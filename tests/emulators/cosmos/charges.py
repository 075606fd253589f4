"""Request charges: of the right order for documents of 1 KB, so that a budget can be seen. Not a bill."""

CHARGES = {"read": 1.0, "create": 6.3, "upsert": 6.3, "replace": 10.7, "patch": 10.9, "delete": 6.3}
"""What an operation on a document of 1 KB costs about, in request units."""

QUERY = 2.8
ROW = 0.05
"""What a query costs, and what each document adds that it looks at."""


def charge(operation: str) -> float:
    """What an operation on one document costs."""
    return CHARGES.get(operation, 1.0)


def query_charge(looked_at: int) -> float:
    """What a query costs that looked at so many documents."""
    return round(QUERY + ROW * looked_at, 2)
