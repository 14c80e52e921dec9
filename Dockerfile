# One image for every process: api, worker, dispatcher, migrate, and the emulator of the demo. Each is a command.
# No syntax line, heredoc or build mount: it builds with any builder.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# Another package index than the public one is a build argument, which leaves no trace in the final image.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
WORKDIR /build
COPY requirements/tools.lock requirements/app.lock requirements/demo.lock requirements/
RUN python -m venv /uv \
 && /uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/tools.lock \
 && /uv/bin/uv venv --python "$(command -v python)" /opt/venv
ENV PATH=/uv/bin:$PATH VIRTUAL_ENV=/opt/venv UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1
RUN uv pip install --only-binary :all: --require-hashes -r requirements/app.lock
# Our own code lies apart, so that a changed line makes a new layer of a megabyte. The build backend is in demo.lock.
COPY pyproject.toml README.md ./
COPY service service
COPY workers workers
COPY emulator emulator
RUN uv build --wheel --require-hashes --build-constraints requirements/demo.lock --out-dir /wheel . \
 && uv pip install --no-deps --target /app /wheel/*.whl
COPY alembic.ini /app/
COPY migrations /app/migrations
# A checkout may be readable by its owner only.
RUN chmod -R a+rX /app

FROM ${PYTHON_IMAGE}
# The provider's client needs certificate authorities, and budgets need time zones: the public image has both, others may
# not.
RUN test -e /etc/ssl/certs/ca-certificates.crt -a -d /usr/share/zoneinfo/Europe \
 || { apt-get update && apt-get install -y --no-install-recommends ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/*; }
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin tuneplane \
 && install -d -o tuneplane -g tuneplane -m 0750 /var/lib/tuneplane
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:/app/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
USER 10001:10001
CMD ["uvicorn", "--factory", "service.api.app:create_app", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", \
     "--http", "httptools", "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "10"]
