"""Serve HTTP and Socket.IO on one event loop, and what every request has in common."""
