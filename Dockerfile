# syntax=docker/dockerfile:1
# `palm serve`: build with `docker build -t palm .`, run with
#   docker run -p 8000:8000 -e PALM_TOKEN -v "$PWD/output_model:/model:ro" palm
# tests/integration/test_dockerfile.py runs the steps of this file without Docker.

FROM python:3.12-slim AS build
# The compiler builds PALM's kernels; the second stage has none.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY palm ./palm
RUN python -m venv /opt/palm
RUN /opt/palm/bin/pip install --no-cache-dir ".[cpu,serve,onnx]"

FROM python:3.12-slim
# OpenMP, which Paddle and the kernels compute with.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 palm
COPY --from=build /opt/palm /opt/palm
ENV PATH=/opt/palm/bin:$PATH PYTHONUNBUFFERED=1 PALM_CACHE=/tmp/palm
USER palm
WORKDIR /home/palm
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
# The address is that of the container: other machines need the token of PALM_TOKEN, or --no-auth as a further word.
ENTRYPOINT ["palm", "serve", "/model", "--host", "0.0.0.0"]
CMD ["--reload"]
