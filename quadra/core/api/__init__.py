"""Doors that state once what they take and give, and the OpenAPI document that follows."""
