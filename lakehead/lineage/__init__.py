"""What is made of what: topics, tables and columns, from contracts and models alone."""
