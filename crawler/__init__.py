"""The web -> articles: sources, spiders, extraction, relevance, the page archive.

May import db (to store what it collects); never nlp.
"""
