# syntax=docker/dockerfile:1
# `palm serve`: build with `docker build -t palm .`, run with
#   docker run -p 8000:8000 -e PALM_TOKEN -v "$PWD/output_model:/model:ro" palm
# tests/integration/test_dockerfile.py runs the steps of this file without Docker.

FROM python:3.12-slim AS build
# The compiler builds PALM's kernels; the second stage has none. Debian keeps no old versions that could be named.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY palm ./palm
# `all`: a wheel that lacks kernels is an error here, instead of a slow server later.
RUN PALM_BUILD_KERNELS=all pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
# OpenMP, which Paddle and the kernels compute with.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 palm && python -m venv /opt/palm
# Of the first stage only the wheel is used, and it is in no layer of the image.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    set -- /wheels/*.whl && /opt/palm/bin/pip install --no-cache-dir "$1[cpu,serve,onnx]"
ENV PATH=/opt/palm/bin:$PATH PYTHONUNBUFFERED=1 PALM_CACHE=/tmp/palm
USER 10001
WORKDIR /home/palm
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
# The address is that of the container: other machines need the token of PALM_TOKEN, or --no-auth as a further word.
ENTRYPOINT ["palm", "serve", "/model", "--host", "0.0.0.0"]
CMD ["--reload"]
