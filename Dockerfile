# Two images of one program: `server` needs a ClickHouse elsewhere, `embedded` brings its engine along.
#
#   docker build --target server   --tag andon:0.1.0          .
#   docker build --target embedded --tag andon:0.1.0-embedded .
#
# The base is pinned by exact tag. A digest is better: --build-arg BASE=python:…@sha256:….
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
COPY receivers receivers
COPY processors processors
COPY exporters exporters
COPY statuspage statuspage
COPY sdk-examples sdk-examples
RUN python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheels .

# An environment with nothing in it but Andon: no pip, no compiler, and a list of what it is made of.
FROM ${BASE} AS environment
ARG SBOM_TOOL="cyclonedx-bom==7.5.0"
COPY --from=wheel /wheels /wheels
RUN python -m venv --without-pip /opt/andon \
 && python -m pip --python /opt/andon/bin/python install --no-cache-dir --disable-pip-version-check --no-compile \
      "$(echo /wheels/andon-*.whl)[report]" \
 && python -m venv /sbom \
 && /sbom/bin/pip install --no-cache-dir --disable-pip-version-check "${SBOM_TOOL}" \
 && mkdir -p /opt/andon/share \
 && /sbom/bin/cyclonedx-py environment --output-reproducible --of JSON -o /opt/andon/share/sbom.cdx.json \
      /opt/andon/bin/python

# Kernels are machine code. They are compiled here, for the level of CPU that is named and not for the one that builds.
# Numba tells stale ones by the times of their sources, of which layers keep whole seconds.
ARG KERNEL_CPU=x86-64-v3
ENV NUMBA_CACHE_DIR=/opt/andon/kernels NUMBA_CPU_NAME=${KERNEL_CPU} NUMBA_CPU_FEATURES=""
RUN find /opt/andon/lib -name '*.py' -exec touch --date=2026-01-01T00:00:00Z {} + \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/andon/lib \
 && mkdir "${NUMBA_CACHE_DIR}" \
 && /opt/andon/bin/python -m receivers.otlp.kernels \
 && test -n "$(find "${NUMBA_CACHE_DIR}" -name '*.nbc' -print -quit)" \
 && chmod -R a+rX,go-w /opt/andon

# The engine on top; the list is made anew.
FROM environment AS environment-embedded
RUN python -m pip --python /opt/andon/bin/python install --no-cache-dir --disable-pip-version-check --no-compile \
      "$(echo /wheels/andon-*.whl)[embedded,report]" \
 && /sbom/bin/cyclonedx-py environment --output-reproducible --of JSON -o /opt/andon/share/sbom.cdx.json \
      /opt/andon/bin/python \
 && chmod -R a+rX,go-w /opt/andon

FROM ${BASE} AS runtime
ARG KERNEL_CPU=x86-64-v3
LABEL org.opencontainers.image.title="Andon" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Turns OpenTelemetry into promises kept or broken"
# Nothing is written beside what is mounted: kernels that are missing go to /tmp.
ENV PATH=/opt/andon/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/opt/andon/kernels \
    NUMBA_CPU_NAME=${KERNEL_CPU} \
    NUMBA_CPU_FEATURES="" \
    XDG_CACHE_HOME=/tmp/cache \
    ANDON_HEALTH=http://127.0.0.1:13133/healthz
RUN groupadd --gid 65532 andon \
 && useradd --uid 65532 --gid andon --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin andon \
 && mkdir -p /etc/andon /var/lib/andon \
 && chown andon:andon /var/lib/andon
WORKDIR /etc/andon
USER 65532:65532
VOLUME /var/lib/andon
EXPOSE 4317 4318 8080 13133
# Of ingest and the evaluator; the page says ANDON_HEALTH=http://127.0.0.1:8080/healthz, the engine …:8123/ping.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(os.environ['ANDON_HEALTH'], timeout=4)"]
ENTRYPOINT ["andon"]
CMD ["--help"]

FROM runtime AS embedded
COPY --from=environment-embedded /opt/andon /opt/andon
EXPOSE 8123

FROM runtime AS server
COPY --from=environment /opt/andon /opt/andon
