# The image of every process of Quadra: `quadra serve` by default, gunicorn or `quadra worker` by another command. Of Debian
# alone, given by its digest: `python3 scripts/prepare_compose.py` asks the registry for it, Compose hands it over.
#
#   docker build --build-arg DEBIAN_DIGEST=sha256:… --tag quadra .
ARG DEBIAN_DIGEST

FROM debian:trixie-slim@${DEBIAN_DIGEST} AS base
# The clients are for backups: pg_dump reads the server's own version and older ones. Versions of packages are left to
# Debian, whose archive drops the older one of each: the digest above and the date of the build say which they were.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 postgresql-client-17 mariadb-client \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/quadra/bin:$PATH

FROM base AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/quadra
WORKDIR /build
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt

FROM packages AS frontend
COPY requirements-node.txt package.json package-lock.json ./
COPY scripts/fetch_frontend.py scripts/bundle_frontend.mjs scripts/chart_library.js scripts/
COPY quadra/dashboard/static quadra/dashboard/static
RUN python scripts/fetch_frontend.py
COPY scripts/minify_tracker.py scripts/
COPY quadra/ingest/static quadra/ingest/static
RUN python scripts/minify_tracker.py

FROM base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QUADRA_HOST=0.0.0.0 \
    QUADRA_PORT=5000 \
    QUADRA_DATA_DIR=/data
RUN useradd --system --uid 10001 --home-dir /data quadra && install -d -m 0700 -o quadra -g quadra /data /var/log/quadra
COPY --from=packages /opt/quadra /opt/quadra
WORKDIR /app
COPY . .
COPY --from=frontend /build/quadra/dashboard/static/vendor quadra/dashboard/static/vendor
COPY --from=frontend /build/quadra/dashboard/built quadra/dashboard/built
COPY --from=frontend /build/quadra/ingest/countries.mmdb quadra/ingest/countries.mmdb
COPY --from=frontend /build/quadra/ingest/static/min quadra/ingest/static/min
# Editable: the code stays in /app, beside the migrations and the deployment files that belong to it.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
# by number: Kubernetes cannot know from a name that it is not root
USER 10001
VOLUME /data
EXPOSE 5000
# Liveness only, it touches no dependency; `docker compose` and balancers ask /health/ready for traffic.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['QUADRA_PORT']}/health\", timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["quadra", "serve"]
