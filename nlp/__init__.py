"""Text -> what it says: actors, statements, stances, topics, changes of position.

May import db (to read documents and store what it finds); never crawler.
"""
