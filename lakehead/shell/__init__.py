"""Ask by hand: a prompt, or a whole screen, over the query engine and its sandbox."""
