"""The Datasette plugin: what the site adds to Datasette 0.65. Only hooks here; reads, pages and marks have files of their own.

Never writes, loads nothing from other hosts, and escapes everything that came from a page.
"""
