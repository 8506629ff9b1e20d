"""One file for each kind of source. A spider finds pages; it never extracts, judges or stores them."""
