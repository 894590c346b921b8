"""The gate: what was known of a company at the end of one day (`gate`), and the SQL it asks (`statements`)."""

from .gate import Snapshot

__all__ = ["Snapshot"]
