"""PostgreSQL's wire protocol, version 3, as far as reading needs it."""
