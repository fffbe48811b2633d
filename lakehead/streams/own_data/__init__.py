"""A person's own data, from a file or standard input, published under a contract."""

from lakehead.streams.own_data.publish import OwnDataOptions, Published, RowsRejected, publish

__all__ = ["OwnDataOptions", "Published", "RowsRejected", "publish"]
