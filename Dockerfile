# syntax=docker/dockerfile:1.7
# One image for every part of the service: docker compose says which command it runs.

# What the page loads in a browser, pinned by version and hash.
FROM node:22.12.0-bookworm-slim AS browser
WORKDIR /src
COPY package.json package-lock.json .npmrc /src/
COPY deploy/vendor.sh /src/deploy/vendor.sh
RUN npm ci --omit=dev && sh deploy/vendor.sh vendor

FROM python:3.11.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/amora
COPY deploy/requirements.lock /src/deploy/requirements.lock
RUN /opt/amora/bin/python -m pip install --require-hashes -r /src/deploy/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY index /src/index
COPY jobs /src/jobs
COPY scripts /src/scripts
COPY uws /src/uws
COPY --from=browser /src/vendor /src/uws/static/vendor
RUN python -m pip install "setuptools==80.9.0" wheel \
 && python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /src \
 && /opt/amora/bin/python -m pip install --no-deps /wheels/*.whl

FROM python:3.11.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/amora --create-home --shell /usr/sbin/nologin amora
COPY --from=build /opt/amora /opt/amora
ENV PATH=/opt/amora/bin:$PATH PYTHONUNBUFFERED=1 AMORA_HOME=/var/lib/amora AMORA_HOST=0.0.0.0 AMORA_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/amora
VOLUME /var/lib/amora
EXPOSE 8000
# tini hands on SIGTERM and reaps what a killed guardian leaves
ENTRYPOINT ["tini", "--", "amora"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
