# The same code and the same lock as on a laptop, plus what Airflow needs to keep its state in PostgreSQL.
FROM python:3.11-slim-bookworm

# compiled at once: the user who runs it could not keep what Python compiles, and each start would compile again
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 UV_COMPILE_BYTECODE=1 DO_NOT_TRACK=1 TZ=UTC
WORKDIR /app

COPY requirements-bootstrap.lock requirements-server.lock ./
RUN pip install --require-hashes -r requirements-bootstrap.lock \
 && uv pip install --system --require-hashes -r requirements-server.lock

COPY pyproject.toml README.md ./
COPY warehouse warehouse
COPY ingestion ingestion
COPY ml ml
COPY quality quality
COPY serving serving
COPY sandbox sandbox
COPY dbt_project dbt_project
COPY dags dags
COPY notebooks notebooks
# Docker makes what a volume is mounted on and the image lacks, with its parents, as root's: the mounts of the compose files are the user's
RUN uv pip install --system --no-deps --no-build-isolation --editable . \
 && useradd --create-home --uid 10001 warehouse \
 && mkdir -p /data /home/warehouse/airflow/logs \
 && chown -R warehouse /data /home/warehouse/airflow

USER warehouse
VOLUME /data
