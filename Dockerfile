# The image of every process of Quadra: `quadra serve` by default, gunicorn or `quadra worker` by another command.

FROM node:22-slim AS frontend
WORKDIR /frontend
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && mkdir vendor \
 && cp node_modules/echarts/dist/echarts.min.js node_modules/socket.io-client/dist/socket.io.min.js vendor/

FROM python:3.11-slim AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/quadra
COPY requirements.txt .
RUN /opt/quadra/bin/pip install --require-hashes -r requirements.txt

FROM python:3.11-slim
ENV PATH=/opt/quadra/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QUADRA_HOST=0.0.0.0 \
    QUADRA_PORT=5000 \
    QUADRA_DATA_DIR=/data
# For backups: pg_dump and pg_restore of the server's own version, which Debian alone does not have; mariadb-dump.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates postgresql-common \
 && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
 && apt-get install --yes --no-install-recommends postgresql-client-16 mariadb-client \
 && rm -rf /var/lib/apt/lists/*
RUN groupadd --system --gid 10001 quadra && useradd --system --uid 10001 --gid quadra --home-dir /data quadra \
 && install -d -o quadra -g quadra /data /var/log/quadra
COPY --from=packages /opt/quadra /opt/quadra
WORKDIR /app
COPY . .
COPY --from=frontend /frontend/vendor quadra/dashboard/static/vendor
# Editable: the code stays in /app, beside the migrations and the deployment files that belong to it.
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
USER quadra
VOLUME /data
EXPOSE 5000
# Liveness only, it touches no dependency; `docker compose` and balancers ask /health/ready for traffic.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['QUADRA_PORT']}/health\", timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["quadra", "serve"]
