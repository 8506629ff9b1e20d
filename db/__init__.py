"""The one file everything lands in: the values that cross a boundary, the schema, every write, every read, and the site.

May import only the standard library, third-party packages and itself: never crawler, never nlp.
Inside: models <- store, queries <- exports, publish, site.
"""
