"""The sample web: fictional outlets written for this project, and the loopback server that serves them.

For the demo and the tests. May not be reached from outside the machine, may not fetch anything, and knows neither the
crawler around it nor the database: what reads it sees ordinary web pages over HTTP.
"""

from crawler.sample_web.server import SampleWeb

__all__ = ["SampleWeb"]
