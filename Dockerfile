# The tracker in a small image: no torch, no compilers, not root. Everything it writes lies under /data.
#   docker build -t debatewatch . && docker run -v debatewatch:/data debatewatch
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock
COPY . .
# The lock also names what tests and builds need; none of it runs here.
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes mypy mypy-extensions playwright pytest pytest-cov pytest-xdist ruff hypothesis import-linter hatchling \
    && find /venv -name __pycache__ -type d -prune -exec rm -rf {} +

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home debatewatch \
    && install --directory --owner=debatewatch --group=debatewatch /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DEBATEWATCH_DB=/data/debatewatch.db
USER debatewatch
WORKDIR /data
VOLUME /data
# Unhealthy while a source is in trouble; the first crawl has an hour to make the database.
HEALTHCHECK --interval=15m --timeout=1m --start-period=1h CMD ["debatewatch", "status", "--fail-on-alert"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["debatewatch"]
CMD ["schedule", "--every", "6h"]
