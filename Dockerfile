# The studio in a box, for the processor:
#
#   docker build --build-arg TORCH_INDEX=ADDRESS --tag impasto .
#
# and for NVIDIA's cards, whose libraries come with PyTorch:
#
#   docker build --build-arg TORCH_BUILD= --tag impasto:cuda .
#
# docs/docker.md says what ADDRESS is, and how it is run.

FROM python:3.11-slim AS wheel
WORKDIR /build
COPY constraints.txt ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --constraint constraints.txt pip
COPY pyproject.toml README.md LICENSE NOTICE ./
# What impasto needs, one a line: as long as it stays so, its layer below does.
RUN python -c "import pathlib, tomllib; \
    project = tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']; \
    extras = project['optional-dependencies']; \
    print(*project['dependencies'], *extras['studio'], *extras['masks'], *extras['finish'], sep='\n')" \
    > needs.txt
COPY src src
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --build-constraint constraints.txt \
    --wheel-dir /wheels .

FROM python:3.11-slim
# The numeric user owns what is painted; nothing else in the box can be written by it.
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin impasto \
    && install --directory --mode 700 --owner impasto --group impasto /data
ENV PATH=/opt/impasto/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    IMPASTO_HOME=/data/weights
WORKDIR /opt/impasto
COPY constraints.txt ./
RUN python -m venv /opt/impasto && pip install --constraint constraints.txt pip
# A version that ends in +cpu is found where the builds for the processor are, or nowhere:
# gigabytes of CUDA never come by accident.
ARG TORCH_BUILD=+cpu
ARG TORCH_INDEX=
RUN pip install --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    "torch==$(sed -n 's/^torch==//p' constraints.txt)$TORCH_BUILD"
COPY --from=wheel /build/needs.txt ./
RUN pip install --constraint constraints.txt --requirement needs.txt
# Copied rather than mounted: Podman would not see that a mounted wheel is another one.
COPY --from=wheel /wheels ./wheels
RUN pip install --no-deps wheels/*.whl

USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "from urllib.request import urlopen as ask; ask('http://127.0.0.1:7860/api/v1/health', timeout=4)"]
# It listens beyond loopback, or nobody outside the box would reach it; so it always has a token.
ENTRYPOINT ["impasto", "studio", "--host", "0.0.0.0", "--port", "7860", "--no-browser", \
    "--data", "/data/studio", "--names", "localhost"]
